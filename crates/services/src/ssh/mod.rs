//! Under construction.
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::{Site, Stop};

pub const CONNECTIONS: usize = 16;

pub async fn run(_site: Arc<Site>, _listener: TcpListener, _stop: Stop) {}
