//! Which broker `gatehouse pub` and `gatehouse sub` speak to, and as whom.

use super::{EXIT_RUNTIME, LISTEN_DEFAULT};
use crate::client::{Client, ClientError, Options};
use crate::mqtt::QoS;
use std::future::Future;
use std::process::ExitCode;
use tokio::net::TcpStream;

/// How to reach the broker.
#[derive(Debug, clap::Args)]
pub struct AddressArgs {
    /// Address of the broker
    #[arg(long, value_name = "HOST:PORT", default_value_t = LISTEN_DEFAULT.to_string())]
    to: String,
    /// Client identifier; one is chosen if it is not given
    #[arg(long, value_name = "ID", default_value = "")]
    id: String,
    /// User name
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Password; better in the environment
    #[arg(long, value_name = "WORD", env = "GATEHOUSE_PASSWORD", hide_env_values = true, requires = "user")]
    password: Option<String>,
}

/// Reads a quality of service: 0, 1 or 2.
pub fn qos(text: &str) -> Result<QoS, String> {
    let qos = text.parse().ok().and_then(QoS::from_bits);
    qos.ok_or_else(|| "expected 0 (at most once), 1 (at least once) or 2 (exactly once)".to_owned())
}

impl AddressArgs {
    /// Connects.
    pub async fn connect(&self) -> Result<Client<TcpStream>, ClientError> {
        let stream = TcpStream::connect(&self.to).await?;
        stream.set_nodelay(true)?;
        let credentials = self.user.clone().map(|user| (user, self.password.clone().unwrap_or_default().into_bytes()));
        let options = Options { credentials, ..Options::new(&self.id) };
        Ok(Client::connect(stream, &options).await?.0)
    }

    /// Runs a client's work to its end, and says what went wrong.
    pub fn run(&self, work: impl Future<Output = Result<(), ClientError>>) -> ExitCode {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let result = runtime.map_err(ClientError::Io).and_then(|runtime| runtime.block_on(work));
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("gatehouse: {}: {error}", self.to);
                ExitCode::from(EXIT_RUNTIME)
            }
        }
    }
}
