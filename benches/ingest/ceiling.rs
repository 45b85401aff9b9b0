//! The HTTP ceiling: the same server library, in a process of its own, reading the body and
//! answering as ingest does, with nothing in between.

use std::net::SocketAddr;
use std::process::{Child as Process, Command, Stdio};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use futures_util::StreamExt;
use tokio::net::TcpStream;

/// Set for the child: the address to listen on.
pub(crate) const ADDRESS_VAR: &str = "FIREFINCH_BENCH_CEILING";

/// Runs the endpoint until the process is ended.
pub(crate) fn serve(address: &str) {
    let server = async {
        HttpServer::new(|| App::new().default_service(web::to(answer)))
            .workers(std::thread::available_parallelism().map_or(2, usize::from))
            .bind(address)?
            .run()
            .await
    };
    actix_web::rt::System::new().block_on(server).unwrap();
}

async fn answer(mut body: web::Payload) -> HttpResponse {
    let mut bytes = 0;
    while let Some(Ok(chunk)) = body.next().await {
        bytes += chunk.len();
    }
    HttpResponse::Ok().insert_header(("x-bytes", bytes)).json(serde_json::json!({ "id": "" }))
}

/// The running child.
pub(crate) struct Child {
    process: Process,
    pub(crate) address: SocketAddr,
}

impl Child {
    pub(crate) async fn start() -> Self {
        let address = crate::server::free_address();
        let process = Command::new(std::env::current_exe().unwrap())
            .env(ADDRESS_VAR, address.to_string())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).await.is_err() {
            assert!(Instant::now() < deadline, "the ceiling server does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self { process, address }
    }

    pub(crate) async fn stop(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
