//! Docker's wire types as template data: serde tells structs from maps, in which order their fields are, and which
//! of them JSON leaves out.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use serde::Serialize;
use serde::ser::{self, Impossible};
use serde_json::Value as Json;
use tare_words::ErrorKind;

use super::data::{Data, Field, Nil, Struct};

/// Fields whose Go name is not that of their JSON: (JSON, Go).
const GO_NAMES: [(&str, &str); 24] = [
    ("Id", "ID"),
    ("id", "ID"),
    ("status", "Status"),
    ("from", "From"),
    ("scope", "Scope"),
    ("time", "Time"),
    ("timeNano", "TimeNano"),
    ("ApiVersion", "APIVersion"),
    ("HostIp", "HostIP"),
    ("Dns", "DNS"),
    ("DnsOptions", "DNSOptions"),
    ("DnsSearch", "DNSSearch"),
    ("NanoCpus", "NanoCPUs"),
    ("CpuShares", "CPUShares"),
    ("CpuPeriod", "CPUPeriod"),
    ("CpuQuota", "CPUQuota"),
    ("CpuRealtimePeriod", "CPURealtimePeriod"),
    ("CpuRealtimeRuntime", "CPURealtimeRuntime"),
    ("CpuCount", "CPUCount"),
    ("CpuPercent", "CPUPercent"),
    ("CpuCfsPeriod", "CPUCfsPeriod"),
    ("CpuCfsQuota", "CPUCfsQuota"),
    ("digest", "Digest"),
    ("size", "Size"),
];

/// Fields that are pointers in Go: where nothing is in them, they print as `<nil>`.
const POINTERS: [&str; 14] = [
    "Health",
    "Healthcheck",
    "IPAMConfig",
    "Init",
    "MemorySwappiness",
    "OomKillDisable",
    "PidsLimit",
    "SizeRw",
    "SizeRootFs",
    "StopTimeout",
    "UsageData",
    "BindOptions",
    "VolumeOptions",
    "TmpfsOptions",
];

/// Fields that are maps in Go.
const MAPS: [&str; 15] = [
    "Annotations",
    "DriverOpts",
    "ExposedPorts",
    "Labels",
    "Options",
    "Ports",
    "Status",
    "StorageOpt",
    "Sysctls",
    "Tmpfs",
    "Volumes",
    "AuxiliaryAddresses",
    "Details",
    "IndexConfigs",
    "Runtimes",
];

/// Lists that JSON leaves out where they are empty.
const LISTS_LEFT_OUT: [&str; 2] = ["Mounts", "Shell"];

/// A serializable value as template data.
pub fn data<T: Serialize + ?Sized>(value: &T) -> Result<Data, DataError> {
    value.serialize(ToData)
}

/// JSON of one of Docker's structs, written without a type of our own: its objects are structs, but for those that are
/// maps in Go.
pub fn record(json: &Json) -> Data {
    match json {
        Json::Array(items) => Data::from(items.iter().map(record).collect::<Vec<_>>()),
        Json::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| Field {
                name: go_name(key),
                key: Some(key.clone()),
                value: match value {
                    Json::Null => Data::Nil(nothing(key)),
                    Json::Object(_) if MAPS.contains(&key.as_str()) => Data::from(value),
                    _ => record(value),
                },
            });
            Data::Struct(Arc::new(Struct { fields: fields.collect(), ..Struct::default() }))
        }
        other => Data::from(other),
    }
}

/// A value that has no place in a template.
#[derive(Debug, thiserror::Error)]
#[error("not template data: {0}")]
pub struct DataError(String);

impl DataError {
    /// A fault of ours: what is shown is made here.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::System
    }
}

impl ser::Error for DataError {
    fn custom<T: Display>(message: T) -> DataError {
        DataError(message.to_string())
    }
}

fn nothing(key: &str) -> Nil {
    if POINTERS.contains(&key) {
        Nil::Pointer
    } else if MAPS.contains(&key) {
        Nil::Map
    } else {
        Nil::List
    }
}

fn go_name(key: &str) -> String {
    GO_NAMES.iter().find(|(json, _)| *json == key).map_or(key, |(_, go)| go).to_owned()
}

struct ToData;

macro_rules! numbers {
    ($($name:ident: $type:ty => $variant:ident,)*) => {
        $(fn $name(self, number: $type) -> Result<Data, DataError> {
            Ok(Data::$variant(number.into()))
        })*
    };
}

impl ser::Serializer for ToData {
    type Ok = Data;
    type Error = DataError;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Impossible<Data, DataError>;
    type SerializeMap = Entries;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Impossible<Data, DataError>;

    numbers! {
        serialize_i8: i8 => Int,
        serialize_i16: i16 => Int,
        serialize_i32: i32 => Int,
        serialize_i64: i64 => Int,
        serialize_u8: u8 => Int,
        serialize_u16: u16 => Int,
        serialize_u32: u32 => Int,
        serialize_f32: f32 => Float,
        serialize_f64: f64 => Float,
        serialize_bool: bool => Bool,
    }

    fn serialize_u64(self, number: u64) -> Result<Data, DataError> {
        Ok(i64::try_from(number).map_or(Data::Uint(number), Data::Int))
    }

    fn serialize_char(self, letter: char) -> Result<Data, DataError> {
        Ok(Data::from(letter.to_string()))
    }

    fn serialize_str(self, text: &str) -> Result<Data, DataError> {
        Ok(Data::from(text))
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<Data, DataError> {
        Err(ser::Error::custom("bytes"))
    }

    fn serialize_none(self) -> Result<Data, DataError> {
        Ok(Data::Nil(Nil::Pointer))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Data, DataError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Data, DataError> {
        Ok(Data::Nil(Nil::Pointer))
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Data, DataError> {
        Ok(Data::Struct(Arc::default()))
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Data, DataError> {
        Ok(Data::from(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Data, DataError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Data, DataError> {
        Ok(Data::from(BTreeMap::from([(variant.to_owned(), data(value)?)])))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items, DataError> {
        Ok(Items(Vec::new()))
    }

    fn serialize_tuple(self, _: usize) -> Result<Items, DataError> {
        Ok(Items(Vec::new()))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items, DataError> {
        Ok(Items(Vec::new()))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, DataError> {
        Err(ser::Error::custom(variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries, DataError> {
        Ok(Entries { map: BTreeMap::new(), key: None })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields, DataError> {
        Ok(Fields(Vec::new()))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, DataError> {
        Err(ser::Error::custom(variant))
    }
}

struct Items(Vec<Data>);

impl ser::SerializeSeq for Items {
    type Ok = Data;
    type Error = DataError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), DataError> {
        self.0.push(data(value)?);
        Ok(())
    }

    fn end(self) -> Result<Data, DataError> {
        Ok(Data::from(self.0))
    }
}

impl ser::SerializeTuple for Items {
    type Ok = Data;
    type Error = DataError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), DataError> {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<Data, DataError> {
        ser::SerializeSeq::end(self)
    }
}

impl ser::SerializeTupleStruct for Items {
    type Ok = Data;
    type Error = DataError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), DataError> {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<Data, DataError> {
        ser::SerializeSeq::end(self)
    }
}

struct Entries {
    map: BTreeMap<String, Data>,
    key: Option<String>,
}

impl ser::SerializeMap for Entries {
    type Ok = Data;
    type Error = DataError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), DataError> {
        let Data::Text(key) = data(key)? else {
            return Err(ser::Error::custom("a key that is no text"));
        };
        self.key = Some(key.to_string());
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), DataError> {
        let key = self.key.take().unwrap_or_default();
        let value = match data(value)? {
            Data::Nil(_) => Data::Nil(nothing(&key)),
            other => other,
        };
        self.map.insert(key, value);
        Ok(())
    }

    fn end(self) -> Result<Data, DataError> {
        Ok(Data::from(self.map))
    }
}

struct Fields(Vec<Field>);

impl ser::SerializeStruct for Fields {
    type Ok = Data;
    type Error = DataError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), DataError> {
        let value = match data(value)? {
            Data::Nil(_) => Data::Nil(nothing(key)),
            other => other,
        };
        self.0.push(Field { name: go_name(key), key: Some(key.to_owned()), value });
        Ok(())
    }

    fn skip_field(&mut self, key: &'static str) -> Result<(), DataError> {
        let value = if POINTERS.contains(&key) || MAPS.contains(&key) || LISTS_LEFT_OUT.contains(&key) {
            Data::Nil(nothing(key))
        } else {
            Data::from("")
        };
        self.0.push(Field { name: go_name(key), key: None, value });
        Ok(())
    }

    fn end(self) -> Result<Data, DataError> {
        Ok(Data::Struct(Arc::new(Struct { fields: self.0, ..Struct::default() })))
    }
}
