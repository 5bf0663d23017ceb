//! Enums whose values have names in files and reports, each written once.

/// Declares such an enum, with `ALL`, `name`, `from_name` and `Display`.
macro_rules! named_enum {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$of:meta])* $value:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        pub enum $name { $($(#[$of])* $value,)+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: [$name; [$($text),+].len()] = [$($name::$value),+];

            /// The name as it stands in files and reports.
            pub const fn name(self) -> &'static str {
                match self { $($name::$value => $text,)+ }
            }

            /// The value with that name.
            pub fn from_name(name: &str) -> Option<$name> {
                $name::ALL.into_iter().find(|value| value.name() == name)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
pub(crate) use named_enum;
