//! How the configuration stands in records: in the form of the first version, whose words were not checked. What nobody
//! could use then is passed over, so that its container can be read on.

use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tare_network::MacAddr;

use super::{ExposedPort, HostAddress, StopSignal, flags};

/// `stop_signal`: empty where there is none.
pub(super) mod stop_signal {
    use super::{Deserialize, Deserializer, Serialize, Serializer, StopSignal};

    pub(crate) fn serialize<S: Serializer>(signal: &Option<StopSignal>, to: S) -> Result<S::Ok, S::Error> {
        signal.as_ref().map(StopSignal::as_str).unwrap_or_default().serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<StopSignal>, D::Error> {
        let text = String::deserialize(from)?;
        Ok((!text.is_empty()).then(|| StopSignal::read(text).ok()).flatten())
    }
}

/// `exposed_ports`: `80/tcp`, and ranges from Compose files.
pub(super) fn exposed_ports<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ExposedPort>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    Ok(texts.iter().flat_map(|text| flags::ports::exposed(text).unwrap_or_default()).collect())
}

/// `extra_hosts`: an address may stand in brackets.
pub(super) fn extra_hosts<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Vec<(String, HostAddress)>, D::Error> {
    let pairs = Vec::<(String, String)>::deserialize(from)?;
    Ok(pairs.into_iter().filter_map(|(name, address)| Some((name, address.parse().ok()?))).collect())
}

/// `mac`.
pub(super) fn mac<'de, D: Deserializer<'de>>(from: D) -> Result<Option<MacAddr>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.and_then(|text| text.parse().ok()))
}

impl TryFrom<String> for HostAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl std::str::FromStr for HostAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        match bare.parse::<IpAddr>() {
            Ok(address) => Ok(Self::Ip(address)),
            Err(_) if bare == HostAddress::GATEWAY => Ok(Self::Gateway),
            Err(_) => Err(format!("invalid IP address in add-host: {text:?}")),
        }
    }
}
