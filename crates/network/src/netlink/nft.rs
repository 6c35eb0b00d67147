//! nf_tables messages: batches, and the few expressions that the firewall's rules are made of.
//!
//! The numbers are those of `linux/netfilter/nf_tables.h` and `nfnetlink.h`.

use super::{Requests, flag};

const SUBSYSTEM: u16 = 10 << 8;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const BATCH_GENID: u16 = 1;

/// Message types.
pub(crate) mod kind {
    pub(crate) const NEW_TABLE: u16 = 0;
    pub(crate) const DEL_TABLE: u16 = 2;
    pub(crate) const NEW_CHAIN: u16 = 3;
    pub(crate) const GET_CHAIN: u16 = 4;
    pub(crate) const NEW_RULE: u16 = 6;
    pub(crate) const GET_RULE: u16 = 7;
    pub(crate) const DEL_RULE: u16 = 8;
    pub(crate) const NEW_SET: u16 = 9;
    pub(crate) const NEW_ELEMENT: u16 = 12;
    pub(crate) const GET_ELEMENT: u16 = 13;
    pub(crate) const DEL_ELEMENT: u16 = 14;
    pub(crate) const GET_GENERATION: u16 = 16;
}

/// Attributes of tables, chains, rules and sets.
pub(crate) mod attribute {
    pub(crate) const TABLE_NAME: u16 = 1;
    pub(crate) const CHAIN_TABLE: u16 = 1;
    pub(crate) const CHAIN_NAME: u16 = 3;
    pub(crate) const CHAIN_HOOK: u16 = 4;
    pub(crate) const CHAIN_TYPE: u16 = 7;
    pub(crate) const HOOK_NUMBER: u16 = 1;
    pub(crate) const HOOK_PRIORITY: u16 = 2;
    pub(crate) const RULE_TABLE: u16 = 1;
    pub(crate) const RULE_CHAIN: u16 = 2;
    pub(crate) const RULE_HANDLE: u16 = 3;
    pub(crate) const RULE_EXPRESSIONS: u16 = 4;
    pub(crate) const RULE_USERDATA: u16 = 7;
    pub(crate) const SET_TABLE: u16 = 1;
    pub(crate) const SET_NAME: u16 = 2;
    pub(crate) const SET_KEY_TYPE: u16 = 4;
    pub(crate) const SET_KEY_LENGTH: u16 = 5;
    pub(crate) const SET_ID: u16 = 10;
    pub(crate) const SET_USERDATA: u16 = 13;
    pub(crate) const ELEMENTS_TABLE: u16 = 1;
    pub(crate) const ELEMENTS_SET: u16 = 2;
    pub(crate) const ELEMENTS: u16 = 3;
    pub(crate) const ELEMENT_KEY: u16 = 1;
    pub(crate) const DATA_VALUE: u16 = 1;
    pub(crate) const LIST_ELEMENT: u16 = 1;
    pub(crate) const GENERATION_ID: u16 = 1;
}

const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const DATA_VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;
const REGISTER_VERDICT: u32 = 0;
const REGISTER_1: u32 = 1;
const REGISTER_2: u32 = 2;
const META_IIFNAME: u32 = 6;
const META_OIFNAME: u32 = 7;
const META_NFPROTO: u32 = 15;
const CT_STATE: u32 = 0;
const CT_STATUS: u32 = 2;
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;

/// A table's address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Inet = 1,
    Ipv4 = 2,
    Ipv6 = 10,
}

/// Which interface of a forwarded packet.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Side {
    In,
    Out,
}

/// Whether a set must hold a key or must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Membership {
    In,
    NotIn,
}

/// What ends a rule.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verdict {
    Drop = 0,
    Accept = 1,
}

/// Interface names as nf_tables compares them: 16 bytes, padded with zeros.
pub(crate) fn interface_key(name: &str) -> Vec<u8> {
    let mut key = name.as_bytes().to_vec();
    key.resize(16, 0);
    key
}

fn nfgenmsg(family: u8, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}

/// Requests outside a batch: gets and dumps.
pub(crate) fn get(kind: u16, flags: u16, family: Family) -> Requests {
    let mut requests = Requests::new();
    requests.message(SUBSYSTEM | kind, flags, &nfgenmsg(family as u8, 0));
    requests
}

/// A transaction: all of it happens or nothing. With `generation`, only if nobody changed the ruleset since.
pub(crate) fn batch(generation: Option<u32>, fill: impl FnOnce(&mut Requests)) -> Requests {
    let mut requests = Requests::new();
    requests.message(BATCH_BEGIN, 0, &nfgenmsg(0, 10));
    if let Some(generation) = generation {
        requests.be32(BATCH_GENID, generation);
    }
    fill(&mut requests);
    requests.message(BATCH_END, 0, &nfgenmsg(0, 10));
    requests
}

/// Starts a message inside a batch.
pub(crate) fn push(requests: &mut Requests, kind: u16, flags: u16, family: Family) -> &mut Requests {
    requests.message(SUBSYSTEM | kind, flags | flag::ACK, &nfgenmsg(family as u8, 0))
}

fn expression(list: &mut Requests, name: &str, fill: impl FnOnce(&mut Requests)) {
    list.nest(attribute::LIST_ELEMENT, |element| {
        element.text(EXPRESSION_NAME, name);
        element.nest(EXPRESSION_DATA, fill);
    });
}

fn load_interface(list: &mut Requests, side: Side, register: u32) {
    expression(list, "meta", |data| {
        data.be32(
            2,
            match side {
                Side::In => META_IIFNAME,
                Side::Out => META_OIFNAME,
            },
        );
        data.be32(1, register);
    });
}

fn lookup(list: &mut Requests, set: &str, membership: Membership) {
    expression(list, "lookup", |data| {
        data.text(1, set).be32(2, REGISTER_1);
        if membership == Membership::NotIn {
            data.be32(5, 1);
        }
    });
}

/// `iifname @set` and its kin.
pub(crate) fn interface_in(list: &mut Requests, side: Side, set: &str, membership: Membership) {
    load_interface(list, side, REGISTER_1);
    lookup(list, set, membership);
}

/// `iifname . oifname @set`.
pub(crate) fn pair_in(list: &mut Requests, set: &str) {
    load_interface(list, Side::In, REGISTER_1);
    load_interface(list, Side::Out, REGISTER_2);
    lookup(list, set, Membership::In);
}

/// `iifname "name"`, or `iifname "name*"` when `name` carries no terminating zero.
pub(crate) fn interface_is(list: &mut Requests, side: Side, name: &[u8]) {
    load_interface(list, side, REGISTER_1);
    compare(list, EQUAL, name);
}

/// `iifname != "name"`.
pub(crate) fn interface_is_not(list: &mut Requests, side: Side, name: &[u8]) {
    load_interface(list, side, REGISTER_1);
    compare(list, NOT_EQUAL, name);
}

/// `ip daddr 127.0.0.0/8`.
pub(crate) fn to_ipv4_loopback(list: &mut Requests) {
    const NETWORK_HEADER: u32 = 1;
    const DESTINATION_OFFSET: u32 = 16;
    expression(list, "meta", |data| {
        data.be32(2, META_NFPROTO).be32(1, REGISTER_1);
    });
    compare(list, EQUAL, &[Family::Ipv4 as u8]);
    expression(list, "payload", |data| {
        data.be32(1, REGISTER_1).be32(2, NETWORK_HEADER).be32(3, DESTINATION_OFFSET).be32(4, 1);
    });
    compare(list, EQUAL, &[127]);
}

fn compare(list: &mut Requests, operation: u32, value: &[u8]) {
    expression(list, "cmp", |data| {
        data.be32(1, REGISTER_1).be32(2, operation);
        data.nest(3, |constant| {
            constant.attr(attribute::DATA_VALUE, value);
        });
    });
}

/// `ct state established,related`.
pub(crate) fn established(list: &mut Requests) {
    const ESTABLISHED_OR_RELATED: u32 = 2 | 4;
    connection_has(list, CT_STATE, ESTABLISHED_OR_RELATED);
}

/// `ct status dnat`: rules of the host sent the connection where it goes.
pub(crate) fn destination_translated(list: &mut Requests) {
    const DST_NAT: u32 = 1 << 5;
    connection_has(list, CT_STATUS, DST_NAT);
}

/// One of the bits in a word of connection tracking.
fn connection_has(list: &mut Requests, key: u32, bits: u32) {
    expression(list, "ct", |data| {
        data.be32(2, key).be32(1, REGISTER_1);
    });
    expression(list, "bitwise", |data| {
        data.be32(1, REGISTER_1).be32(2, REGISTER_1).be32(3, 4);
        data.nest(4, |mask| {
            mask.attr(attribute::DATA_VALUE, &bits.to_ne_bytes());
        });
        data.nest(5, |xor| {
            xor.attr(attribute::DATA_VALUE, &[0; 4]);
        });
    });
    compare(list, NOT_EQUAL, &[0; 4]);
}

/// `counter`, which iptables-nft expects in every rule that it lists.
pub(crate) fn counter(list: &mut Requests) {
    expression(list, "counter", |_| {});
}

/// `masquerade`.
pub(crate) fn masquerade(list: &mut Requests) {
    expression(list, "masq", |_| {});
}

/// `accept` or `drop`.
pub(crate) fn verdict(list: &mut Requests, verdict: Verdict) {
    expression(list, "immediate", |data| {
        data.be32(1, REGISTER_VERDICT);
        data.nest(2, |value| {
            value.nest(DATA_VERDICT, |code| {
                code.be32(VERDICT_CODE, verdict as u32);
            });
        });
    });
}
