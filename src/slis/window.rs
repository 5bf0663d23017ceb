//! Windows over slices: steady, impact and recovery as `ARCHITECTURE.md` defines them.
