//! Reading `[addresses]`, `[certificates]` and the hosts' part of the roles' own tables.

use protocols::Role;

use super::{
    super::{
        host::Host,
        keys::{self, table_of},
    },
    section::Section,
};
use crate::error::Result;

impl Host {
    pub(super) fn read_all(root: &Section) -> Result<[Host; 3]> {
        let mut hosts: [Host; 3] = Default::default();
        if let Some(addresses) = root.section("addresses", &keys::ADDRESSES)? {
            addresses.check_keys()?;
            for (host, role) in hosts.iter_mut().zip(Role::ALL.map(Role::name)) {
                let address = addresses.need(role, addresses.string(role)?)?;
                if !is_address(address) {
                    return Err(addresses.wrong_kind(role));
                }
                host.address = Some(address.to_owned());
            }
        }
        if let Some(certificates) = root.section("certificates", &keys::CERTIFICATES)? {
            certificates.check_keys()?;
            for (host, role) in hosts.iter_mut().zip(Role::ALL.map(Role::name)) {
                host.certificate = Some(certificates.need(role, certificates.path(role)?)?);
            }
        }
        for (host, role) in hosts.iter_mut().zip(Role::ALL) {
            if let Some(own) = root.section(role.name(), table_of(role))? {
                host.key = own.path("key")?;
                host.state = own.path("state")?;
                let bind = own.string("bind")?.map(str::parse).transpose();
                host.bind = bind.map_err(|_| own.wrong_kind("bind"))?;
            }
        }
        Ok(hosts)
    }
}

fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
    })
}
