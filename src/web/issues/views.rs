//! Views of the list that people keep: the forms that keep and forget them.

use actix_web::{HttpResponse, web};
use store::views::{self, NewView};
use time::OffsetDateTime;

use super::{Sort, Span, list_link};
use crate::web::Web;
use crate::web::access::Action;
use crate::web::error::PageError;
use crate::web::session::{Posted, local_path};
use crate::web::shell::see_other;
use engine::access::Object;

/// `POST /issues/views`: `do=save` with `name`, `shared`, `project`, `query`, `range` and `sort`; or `do=remove` with `view`.
pub(in crate::web) async fn post(web: web::Data<Web>, posted: Posted) -> Result<HttpResponse, PageError> {
    let (user, fields) = (posted.viewer.user_id, &posted.fields);
    match fields.get("do") {
        "save" => {
            let is_shared = !fields.get("shared").is_empty();
            let name: String = fields.get("name").split_whitespace().collect::<Vec<_>>().join(" ").replace('\0', "");
            if name.is_empty() || name.chars().count() > 60 {
                return Err(PageError::BadRequest("Give the view a name of 1 to 60 characters.".to_owned()));
            }
            let slug = Some(fields.get("project")).filter(|slug| !slug.is_empty());
            let project = posted.viewer.chosen(&web, slug).await?;
            // Everybody keeps views of their own; others see them only from those who may change something there.
            if is_shared {
                posted.viewer.must(Action::ChangeIssues, Object::of(project.as_ref().map(|project| project.id)))?;
            }
            let (query, span) = (fields.get("query").trim().replace('\0', ""), Span::named(fields.get("range")));
            let sort = Sort::named(fields.get("sort"));
            if query.chars().count() > engine::limits::QUERY_CHARS_MAX {
                return Err(PageError::BadRequest("The search is too long to keep.".to_owned()));
            }
            let new = NewView {
                name: &name,
                is_shared,
                project_id: project.map(|project| project.id),
                query: &query,
                range: span.name,
                sort: sort.name(),
            };
            views::save(&web.pool, user, new, OffsetDateTime::now_utc()).await?;
            Ok(see_other(&list_link(slug, &query, span.name, sort, None)))
        }
        "remove" => {
            views::remove(&web.pool, user, fields.get("view").parse().unwrap_or_default()).await?;
            Ok(see_other(local_path(fields.get("back"), "/issues")))
        }
        _ => Err(PageError::BadRequest("Unknown action.".to_owned())),
    }
}
