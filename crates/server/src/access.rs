use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use rand::RngExt as _;
use rand::distr::Alphanumeric;
use sha2::{Digest as _, Sha256};
use suanpan_catalog::{AppView, Catalog, KeyKind};
use suanpan_event::AppId;
use suanpan_gateway::{Problem, credentials};

/// The token that may do everything, as a hash.
#[derive(Clone)]
pub struct AdminToken([u8; 32]);

impl AdminToken {
    /// Keeps the hash of a token.
    pub fn new(secret: &str) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Hashes differ at a byte that tells nothing about the token, so comparing them needs no
    /// constant time.
    fn is(&self, secret: &str) -> bool {
        self.0 == <[u8; 32]>::from(Sha256::digest(secret))
    }
}

/// A new admin token: `spa_` and 40 random letters and digits, 238 bits.
pub fn generate_admin_token() -> String {
    let random: String = rand::rng().sample_iter(Alphanumeric).take(40).map(char::from).collect();
    format!("spa_{random}")
}

/// Who may do what.
#[derive(Clone)]
pub(crate) struct Access {
    pub admin: AdminToken,
    pub catalog: Catalog,
}

impl Access {
    /// Lets only the admin token pass.
    pub fn admin(&self, headers: &HeaderMap) -> Result<(), Problem> {
        if self.admin.is(&credentials(headers)?) {
            return Ok(());
        }
        let detail = "this needs the admin token; it stands in the file 'admin-token' of the data folder";
        Err(Problem::new(StatusCode::FORBIDDEN, "admin_only", detail))
    }

    /// Lets the admin token and the app's own read keys pass.
    pub fn read(&self, headers: &HeaderMap, app: &str) -> Result<AppId, Problem> {
        let secret = credentials(headers)?;
        let admin = self.admin.is(&secret);
        let snapshot = self.catalog.snapshot();
        let grant = snapshot.key(&secret);
        if !admin && grant.is_none() {
            let detail = "the key is not known here, or was revoked";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "key_unknown", detail));
        }
        let app_id = parse_app(app)?;
        match grant {
            _ if admin => Ok(app_id),
            Some(grant) if grant.app_id != app_id => {
                let detail = format!("this key is for another app than {app:?}");
                Err(Problem::new(StatusCode::FORBIDDEN, "key_other_app", detail))
            }
            Some(grant) if grant.kind != KeyKind::Read => {
                let detail = "this is a write key; asking takes a read key";
                Err(Problem::new(StatusCode::FORBIDDEN, "key_cannot_read", detail))
            }
            _ => Ok(app_id),
        }
    }

    /// An app that is there.
    pub fn app_view(&self, app: &AppId) -> Result<Arc<AppView>, Problem> {
        self.catalog.snapshot().app(app).cloned().ok_or_else(|| {
            Problem::new(StatusCode::NOT_FOUND, "not_found", format!("there is no app {:?}", app.as_str()))
        })
    }

    /// Lets only the admin token pass, for something of one app.
    pub fn admin_of(&self, headers: &HeaderMap, app: &str) -> Result<AppId, Problem> {
        self.admin(headers)?;
        parse_app(app)
    }
}

fn parse_app(app: &str) -> Result<AppId, Problem> {
    app.parse().map_err(|e| Problem::new(StatusCode::NOT_FOUND, "app_unknown", format!("{e}")))
}
