//! Who can be given issues, as menus offer them: whoever looks first, then the others by name.

use engine::access::Reach;
use store::activity::Actor;
use store::people::users;

use crate::web::Web;
use crate::web::error::PageError;
use crate::web::session::Viewer;

/// People with a button of their own; more are not read but looked for.
const BUTTONS_MAX: usize = 12;

/// People in the list to choose from, which stands below the buttons where there are more.
const LISTED_MAX: i64 = 500;

/// Who can be given issues, besides whoever looks.
#[derive(Debug, Default)]
pub(in crate::web) struct People {
    /// Each with a button.
    pub(in crate::web) buttons: Vec<Actor>,
    /// All of them, where there are more than buttons.
    pub(in crate::web) listed: Vec<Actor>,
}

impl People {
    /// Those whom `viewer` may give issues of these projects to; nobody for who may give none.
    pub(in crate::web) async fn load(web: &Web, viewer: &Viewer, reach: &Reach) -> Result<Self, PageError> {
        if !viewer.may_change_issues() {
            return Ok(Self::default());
        }
        let all = users::assignable(&web.pool, reach, LISTED_MAX).await?;
        let all = all.into_iter().filter(|user| user.id != viewer.user_id);
        let all: Vec<Actor> = all.map(|user| Actor { id: user.id, name: user.name, email: user.email }).collect();
        let buttons = all.iter().take(BUTTONS_MAX).cloned().collect();
        Ok(Self { buttons, listed: if all.len() > BUTTONS_MAX { all } else { Vec::new() } })
    }
}
