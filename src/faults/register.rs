//! How a kind of fault becomes known: one line per fault makes its module, its variant of `Fault`, its name in scenarios and
//! the dispatch to its file.

macro_rules! faults {
    ($($module:ident: $fault:ident,)*) => {
        $(mod $module;)*

        /// A fault of a scenario: one variant per kind, one file per variant.
        #[derive(Debug, Clone)]
        pub enum Fault {
            $(
                #[doc = concat!("`", stringify!($module), "`")]
                $fault($module::$fault),
            )*
        }

        impl Fault {
            /// Every kind, as it is named in scenarios.
            pub const KINDS: &'static [&'static str] = &[$(stringify!($module)),*];

            /// Its kind.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Fault::$fault(_) => stringify!($module),)*
                }
            }

            /// Reads the fault `kind: node` of a scenario; mistakes go to `diags`.
            pub fn from_entry(
                kind: &str,
                kind_span: $crate::source::Span,
                node: &$crate::source::Node,
                source: &std::sync::Arc<$crate::source::Source>,
                diags: &mut $crate::source::Diagnostics,
            ) -> Option<Fault> {
                match kind {
                    $(
                        stringify!($module) => {
                            let mut map = MapReader::new(node, concat!("`", stringify!($module), "`"), source, diags)?;
                            let fault = <$module::$fault as FromMap>::from_map(&mut map);
                            map.finish().and(fault).map(Fault::$fault)
                        }
                    )*
                    _ => {
                        let message = format!("there is no fault `{}`", $crate::source::shorten(kind));
                        let help = $crate::source::did_you_mean(kind, Fault::KINDS.iter().copied());
                        diags.error(source, kind_span, message).help(help);
                        None
                    }
                }
            }
        }

        impl Inject for Fault {
            fn summary(&self) -> String {
                match self {
                    $(Fault::$fault(fault) => fault.summary(),)*
                }
            }

            fn interposes(&self) -> Option<(String, Vec<u16>)> {
                match self {
                    $(Fault::$fault(fault) => fault.interposes(),)*
                }
            }

            fn services(&self) -> Vec<String> {
                match self {
                    $(Fault::$fault(fault) => fault.services(),)*
                }
            }

            fn covers(&self) -> Option<&str> {
                match self {
                    $(Fault::$fault(fault) => fault.covers(),)*
                }
            }

            fn load(&self) -> Option<&str> {
                match self {
                    $(Fault::$fault(fault) => fault.load(),)*
                }
            }

            fn release(&self) -> Option<(String, $crate::stack::Release)> {
                match self {
                    $(Fault::$fault(fault) => fault.release(),)*
                }
            }

            fn process(&self) -> Option<$crate::stack::Process> {
                match self {
                    $(Fault::$fault(fault) => fault.process(),)*
                }
            }

            fn plan_within(&self) -> std::time::Duration {
                match self {
                    $(Fault::$fault(fault) => fault.plan_within(),)*
                }
            }

            fn inject_within(&self) -> std::time::Duration {
                match self {
                    $(Fault::$fault(fault) => fault.inject_within(),)*
                }
            }

            fn revert_within(&self) -> std::time::Duration {
                match self {
                    $(Fault::$fault(fault) => fault.revert_within(),)*
                }
            }

            fn returns(&self) -> Option<std::time::Duration> {
                match self {
                    $(Fault::$fault(fault) => fault.returns(),)*
                }
            }

            fn secrets(&self) -> Vec<String> {
                match self {
                    $(Fault::$fault(fault) => fault.secrets(),)*
                }
            }

            async fn plan<S: Stack>(&self, id: &str, field: &Field<'_, S>) -> Result<Undo, FaultError> {
                match self {
                    $(Fault::$fault(fault) => fault.plan(id, field).await,)*
                }
            }

            async fn inject<S: Stack>(&self, id: &str, undo: &Undo, field: &Field<'_, S>) -> Result<(), FaultError> {
                match self {
                    $(Fault::$fault(fault) => fault.inject(id, undo, field).await,)*
                }
            }

            async fn bring_back<S: Stack>(
                &self,
                undo: &Undo,
                stack: &S,
                ending: &tokio_util::sync::CancellationToken,
            ) -> Result<(), FaultError> {
                match self {
                    $(Fault::$fault(fault) => fault.bring_back(undo, stack, ending).await,)*
                }
            }

            async fn confirm<S: Stack>(
                &self,
                id: &str,
                undo: &Undo,
                field: &Field<'_, S>,
            ) -> Result<Presence, FaultError> {
                match self {
                    $(Fault::$fault(fault) => fault.confirm(id, undo, field).await,)*
                }
            }

            async fn ended_by<S: Stack>(&self, undo: &Undo, stack: &S) -> Option<String> {
                match self {
                    $(Fault::$fault(fault) => fault.ended_by(undo, stack).await,)*
                }
            }

            async fn ended_by_itself<S: Stack>(&self, stack: &S, mitigated: bool) -> Result<Option<String>, FaultError> {
                match self {
                    $(Fault::$fault(fault) => fault.ended_by_itself(stack, mitigated).await,)*
                }
            }

            async fn revert<S: Stack>(
                &self,
                id: &str,
                undo: &Undo,
                field: &Field<'_, S>,
            ) -> Result<String, FaultError> {
                match self {
                    $(Fault::$fault(fault) => fault.revert(id, undo, field).await,)*
                }
            }
        }
    };
}
