//! Describes the gateway's endpoints: they are made from the list of wire formats, and so is this.

use suanpan_wire::{ROUTES, Route};
use utoipa::openapi::path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{
    ContentBuilder, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder, ResponsesBuilder,
};

/// What a report can be answered, whatever its format, besides a problem.
const ANSWERS: [(&str, &str); 2] = [
    ("200", "On disk, in the words that the format's clients understand."),
    ("202", "On disk; some clients want this status."),
];

/// Adds every path at which clients report, or ask for a document before they do.
pub(crate) fn describe(openapi: &mut OpenApi) {
    for (path, route) in ROUTES {
        let (tag, summary) = match route {
            Route::Events(format) => {
                ("report", format!("Reports by clients of the format {}.", format.name()))
            }
            Route::Told(_) => ("report", "Reports of several formats; the body tells which.".to_owned()),
            Route::Document(_) => {
                ("documents", "A document that clients ask for before they report.".to_owned())
            }
        };
        let item = openapi.paths.paths.entry((*path).to_owned()).or_default();
        let operation = |has_body| operation(path, tag, &summary, has_body);
        item.get.get_or_insert_with(|| operation(false));
        item.post.get_or_insert_with(|| operation(true));
    }
}

fn operation(path: &str, tag: &str, summary: &str, has_body: bool) -> Operation {
    let method = if has_body { "post" } else { "get" };
    let mut builder = OperationBuilder::new()
        .tag(tag)
        .summary(Some(summary))
        .description(Some("See docs/wire-formats.md for fields and answers."))
        .operation_id(Some(format!("{method}{}", path.replace(|c: char| !c.is_ascii_alphanumeric(), "_"))));
    for part in path.split('/') {
        if let Some(name) = part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
            builder = builder.parameter(path_parameter(name));
        }
    }
    if has_body {
        let body = ["application/json", "text/plain", "application/x-www-form-urlencoded"]
            .into_iter()
            .fold(RequestBodyBuilder::new(), |body, kind| body.content(kind, ContentBuilder::new().build()));
        builder = builder.request_body(Some(body.build()));
    }
    let responses = ANSWERS.into_iter().fold(ResponsesBuilder::new(), |all, (status, meaning)| {
        all.response(status, ResponseBuilder::new().description(meaning).build())
    });
    let responses = responses.response("default", Ref::from_response_name(REFUSAL));
    builder.responses(responses.build()).build()
}

/// The name of the one answer for all errors.
const PROBLEM: &str = "Problem";
/// The name of the one answer for all errors of the wire formats.
const REFUSAL: &str = "Refusal";

/// Says of every operation that it may answer a problem instead.
pub(crate) fn add_problems(openapi: &mut OpenApi) {
    let components = openapi.components.get_or_insert_default();
    components.responses.insert(PROBLEM.to_owned(), problem().into());
    let refusal = "A problem, in the words that the format's clients understand: JSON or text.";
    components
        .responses
        .insert(REFUSAL.to_owned(), ResponseBuilder::new().description(refusal).build().into());
    for item in openapi.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            let responses = &mut operation.responses.responses;
            responses.entry("default".to_owned()).or_insert_with(|| Ref::from_response_name(PROBLEM).into());
        }
    }
}

/// A planned attribute refuses fields it does not know, but stands in answers beside more fields: the
/// description of the one would contradict the other.
pub(crate) fn open_planned_attributes(openapi: &mut OpenApi) {
    let schemas = openapi.components.as_mut().map(|components| &mut components.schemas);
    if let Some(RefOr::T(Schema::Object(body))) = schemas.and_then(|s| s.get_mut("PlannedAttributeBody")) {
        body.additional_properties = None;
    }
}

/// A problem: RFC 9457, with a stable code.
fn problem() -> Response {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let schema = ObjectBuilder::new()
        .property("status", ObjectBuilder::new().schema_type(Type::Integer))
        .property("code", text().description(Some("Stable name of the error, for programs.")))
        .property("detail", text().description(Some("What happened, and what to do about it.")))
        .property("limit", text().description(Some("The setting whose limit was hit.")))
        .required("status")
        .required("code")
        .required("detail");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description("A problem.").content("application/problem+json", content).build()
}

fn path_parameter(name: &str) -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String);
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(text))
        .build()
}
