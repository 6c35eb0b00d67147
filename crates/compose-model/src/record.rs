//! A macro for the model's plain structs: every field optional on input and left out of the output while it has its
//! default, so that a round trip through JSON neither loses nor invents anything.

/// Whether a field still has its default and stays out of the output.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Declares a struct whose fields all have a default and vanish from the output while they have it.
macro_rules! record {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident : $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[serde(skip_serializing_if = "crate::record::is_default")]
                pub $field: $type,
            )*
        }
    };
}
pub(crate) use record;
