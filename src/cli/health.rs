//! `firefinch health`: for container engines, which ask inside the container.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde_json::{Value, json};

use super::output::Output;
use crate::config::Config;
use crate::error::Failure;
use crate::instance;

const TIME_MAX: Duration = Duration::from_secs(5);

pub(super) async fn run(config: &Config, output: Output) -> Result<(), Failure> {
    let listen = instance::served(&config.data_dir).map_or(config.listen, |served| served.addr);
    let url = format!("http://{}/healthz", reachable(listen));
    let client = reqwest::Client::builder().timeout(TIME_MAX).no_proxy().build().context("cannot make a client")?;
    let response = client.get(&url).send().await.with_context(|| format!("{url} does not answer"))?;
    let status = response.status();
    if !status.is_success() {
        return Err(anyhow!("{url} answers {status}").into());
    }
    let answer: Value = response.json().await.with_context(|| format!("{url} does not answer in JSON"))?;
    output.done(&json!({"url": url, "answer": answer}), "alive")
}

/// "Every address" is no address to connect to.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}
