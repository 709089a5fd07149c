use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use suanpan_accounts::Accounts;
use suanpan_answers::Answers;
use suanpan_catalog::{AppView, Catalog};
use suanpan_event::AppId;
use suanpan_gateway::{Gateway, Problem};
use suanpan_log::EventLog;
use suanpan_pipeline::PipelineConfig;
use suanpan_warehouse::Warehouse;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Access;
use crate::apps::AppBody;
use crate::metrics::MetricsHandle;
use crate::replays::Replays;
use crate::{
    AdminToken, ServerConfig, actors, adopt, apps, ask, attributes, audit, backups, dead_letter, health,
    keys, learnt, live, metrics, people, plan, refused_requests, replay_jobs, report_docs, rules, settings,
    status, usage,
};

/// The stations that the API speaks to. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    pub(crate) access: Access,
    pub(crate) answers: Answers,
    pub(crate) warehouse: Warehouse,
    /// What is kept beside the events at most.
    pub(crate) bounds: Arc<PipelineConfig>,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) accounts: Accounts,
}

impl Api {
    /// An API over these stations.
    pub fn new(
        (catalog, admin): (Catalog, AdminToken),
        answers: Answers,
        (warehouse, bounds): (Warehouse, PipelineConfig),
        log: Arc<dyn EventLog>,
        accounts: Accounts,
    ) -> Self {
        Self {
            access: Access { admin, catalog },
            answers,
            warehouse,
            bounds: Arc::new(bounds),
            log,
            accounts,
        }
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.access.catalog
    }

    pub(crate) fn app_view(&self, app: &AppId) -> Result<Arc<AppView>, Problem> {
        self.access.app_view(app)
    }

    pub(crate) fn app_body(&self, app: &AppId) -> Result<AppBody, Problem> {
        Ok(AppBody::from(self.app_view(app)?.as_ref()))
    }
}

/// What asking needs. Cheap to clone.
#[derive(Clone)]
pub struct Asking {
    pub(crate) access: Access,
    pub(crate) answers: Answers,
}

impl Asking {
    /// Asking these answers.
    pub fn new((catalog, admin): (Catalog, AdminToken), answers: Answers) -> Self {
        Self { access: Access { admin, catalog }, answers }
    }
}

/// What a process serves: what its roles need. Health and metrics are served by every process.
#[derive(Clone)]
pub struct Served {
    /// Apps and keys, and who may do everything.
    pub access: (Catalog, AdminToken),
    /// Reporting, and what can be seen of reports as they come.
    pub gateway: Option<Gateway>,
    /// Asking.
    pub asking: Option<Asking>,
    /// Managing, with the gateway that takes refused events again.
    pub managing: Option<(Api, Gateway)>,
    /// What must answer for the process to be ready, where a role needs it.
    pub warehouse: Option<Warehouse>,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Suanpan",
        description = "Custom-event analytics: report events, define attributes and rules, ask. \
            Errors are application/problem+json with a stable `code`.",
    ),
    modifiers(&Keys),
    paths(report_events)
)]
struct Description;

/// The two kinds of bearer secrets.
struct Keys;

impl Modify for Keys {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let descriptions = [
            ("admin", "The admin token: may do everything."),
            ("read", "A read key of the app, or the admin token."),
            ("write", "A write key of the app; also taken as the user name of Basic."),
        ];
        for (name, description) in descriptions {
            let scheme =
                HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description)).build();
            components.add_security_scheme(name, SecurityScheme::Http(scheme));
        }
    }
}

/// Reports one event, an array of events, or `{"events": […], "sent_at": …}`; gzip is taken.
///
/// 200 means that every event with the result `ok` or `warning` is on disk.
#[utoipa::path(post, path = "/v1/events", tag = "report", security(("write" = [])),
    request_body(content = Object, content_type = "application/json", description = "See the event format."),
    responses(
        (status = 200, body = Object, description = "One result for each event, in order."),
        (status = 400, description = "Not JSON; says at which line and column."),
        (status = 401, description = "No key, or an unknown one."),
        (status = 413, description = "Over a limit, which is named."),
        (status = 415, description = "An unknown encoding; gzip is taken."),
        (status = 429, description = "Over a quota, which is named; try again after Retry-After."),
        (status = 503, description = "Nothing was kept; try again after Retry-After.")))]
#[expect(dead_code, reason = "describes the gateway's endpoint")]
fn report_events() {}

fn managing() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(apps::list, apps::create))
        .routes(routes!(apps::get, apps::change, apps::delete))
        .routes(routes!(apps::restore))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(attributes::list))
        .routes(routes!(attributes::define, attributes::remove))
        .routes(routes!(settings::get, settings::change))
        .routes(routes!(plan::get, plan::put, plan::set_mode))
        .routes(routes!(plan::export_json))
        .routes(routes!(plan::export_csv))
        .routes(routes!(plan::import))
        .routes(routes!(plan::check))
        .routes(routes!(plan::define_event, plan::remove_event))
        .routes(routes!(rules::list))
        .routes(routes!(rules::get, rules::save, rules::delete))
        .routes(routes!(rules::versions))
        .routes(routes!(rules::restore))
        .routes(routes!(dead_letter::search))
        .routes(routes!(dead_letter::counts))
        .routes(routes!(dead_letter::get))
        .routes(routes!(replay_jobs::list, replay_jobs::start))
        .routes(routes!(replay_jobs::get, replay_jobs::cancel))
        .routes(routes!(replay_jobs::resume))
        .routes(routes!(learnt::list))
        .routes(routes!(adopt::adopt))
        .routes(routes!(people::links))
        .routes(routes!(usage::get))
        .routes(routes!(status::outcomes))
        .routes(routes!(status::status))
        .routes(routes!(audit::audit))
        .routes(routes!(audit::sums))
        .routes(routes!(actors::show))
        .routes(routes!(actors::deletions, actors::delete))
        .routes(routes!(actors::deletion))
        .routes(routes!(actors::retention))
        .routes(routes!(backups::list, backups::start))
        .routes(routes!(backups::get))
}

fn asking() -> OpenApiRouter<Asking> {
    OpenApiRouter::new().routes(routes!(ask::answer)).routes(routes!(ask::ask)).routes(routes!(ask::explain))
}

/// What a gateway shows of the reports that come to it.
fn watching() -> OpenApiRouter<Access> {
    OpenApiRouter::new()
        .routes(routes!(live::watch))
        .routes(routes!(refused_requests::all))
        .routes(routes!(refused_requests::of_app))
}

fn health() -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(health::live)).routes(routes!(health::ready))
}

/// The OpenAPI document as JSON text, made from the handlers.
pub fn openapi() -> String {
    let mut openapi = Description::openapi();
    let groups = [managing().into_openapi(), asking().into_openapi(), watching().into_openapi()];
    groups.into_iter().chain([health().into_openapi()]).for_each(|group| openapi.merge(group));
    report_docs::describe(&mut openapi);
    report_docs::add_problems(&mut openapi);
    report_docs::open_planned_attributes(&mut openapi);
    let mut text = openapi.to_pretty_json().expect("the description is JSON");
    text.push('\n');
    text
}

/// The routes of what is served, its descriptions, health and metrics.
pub fn router(served: Served, metrics: MetricsHandle, config: &ServerConfig) -> Router {
    let (catalog, admin) = served.access;
    let access = Access { admin, catalog };
    let text: Arc<str> = openapi().into();
    let serve_openapi =
        move || async move { ([(header::CONTENT_TYPE, "application/json")], text.to_string()) };
    let mut api = Router::new()
        .route("/api/openapi.json", get(serve_openapi))
        .route("/api/rule.schema.json", get(async || Json(suanpan_rules::json_schema())));
    let mut reporting = Router::new();
    if let Some((management, gateway)) = served.managing {
        let replays = Replays::new(management.catalog().clone(), management.warehouse.clone(), gateway);
        let routes: Router = managing().split_for_parts().0.with_state(management);
        api = api.merge(routes.layer(Extension(replays)));
    }
    if let Some(questions) = served.asking {
        let routes: Router = asking().split_for_parts().0.with_state(questions);
        api = api.merge(routes);
    }
    if let Some(gateway) = served.gateway {
        let routes: Router = watching().split_for_parts().0.with_state(access);
        api = api.merge(
            routes.layer(Extension(gateway.live().clone())).layer(Extension(gateway.refused().clone())),
        );
        reporting = suanpan_gateway::router(gateway);
    }
    let health: Router = health().split_for_parts().0;
    api.merge(health.layer(Extension(health::Needs { warehouse: served.warehouse })))
        .layer(DefaultBodyLimit::max(config.api_body_bytes_max))
        .merge(reporting)
        .route("/metrics", get(metrics::page).with_state(metrics))
        .route("/", get(async || Html(FRONT_PAGE)))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(CatchPanicLayer::custom(panicked))
}

/// What a browser shows at the root.
const FRONT_PAGE: &str = include_str!("front_page.html");

async fn unknown_path(uri: Uri) -> Problem {
    let detail = format!(
        "there is nothing at {}; GET /api/openapi.json lists what there is, of which a process serves what \
         its roles need",
        uri.path()
    );
    Problem::new(StatusCode::NOT_FOUND, "no_such_path", detail)
}

async fn unknown_method(uri: Uri) -> Problem {
    let detail =
        format!("{} does not take this method; GET /api/openapi.json lists what it takes", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

fn panicked(_payload: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a request handler panicked; the message stands above");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "a mistake of the server; its log says more")
        .into_response()
}
