//! How a rule becomes known: one line per rule makes its module and its place in the list.

macro_rules! rules {
    ($($module:ident,)*) => {
        $(mod $module;)*

        /// Every rule, by id.
        pub const RULES: &[&Rule] = &[$(&$module::RULE),*];
    };
}
