//! Conversations: where a task is talked about, and whether it was told there how the task stands.

use outwork_domain::integration::Conversation;
use outwork_domain::job::Job;
use outwork_domain::{
    ConversationId, EnvironmentId, IntegrationId, TaskId, Timestamp, WorkspaceId,
};

use crate::error::StoreError;
use crate::job;
use crate::record::Change;
use crate::sql::{Row, for_update, id, opt_id, values};
use crate::store::{Store, Tx, Write};

/// `SELECT` of what [`read`] wants, up to where `WHERE` follows.
macro_rules! select {
    () => {
        "SELECT c.id, c.workspace_id, c.integration_id, c.key, c.task_id, c.environment_id, c.data, c.told_at, c.created_at, \
         c.updated_at FROM conversations c "
    };
}

/// A change of a conversation; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConversationChange {
    /// The task that is talked about from now on: it is told anew how that one stands, and whoever tells is woken.
    pub task: Option<TaskId>,
    /// The environment that was chosen.
    pub environment: Option<EnvironmentId>,
    /// What the integration remembers.
    pub data: Option<String>,
}

impl Store {
    /// The conversation of that key, made now if there is none.
    pub async fn open_conversation(&self, new: Conversation) -> Result<Conversation, StoreError> {
        let found = self.conversation(new.integration_id, &new.key).await?;
        match found {
            Some(found) => Ok(found),
            None => self.write(Open { new }).await,
        }
    }

    /// The conversation of that key.
    pub async fn conversation(
        &self,
        integration: IntegrationId,
        key: &str,
    ) -> Result<Option<Conversation>, StoreError> {
        const SELECT: &str = concat!(select!(), "WHERE c.integration_id = $1 AND c.key = $2");
        let values = values![id(integration), key];
        let row = self.read().await?.row(SELECT, values).await?;
        row.as_ref().map(read).transpose()
    }

    /// A conversation of the workspace.
    pub async fn conversation_by_id(
        &self,
        workspace: WorkspaceId,
        conversation: ConversationId,
    ) -> Result<Option<Conversation>, StoreError> {
        const SELECT: &str = concat!(select!(), "WHERE c.id = $1 AND c.workspace_id = $2");
        let values = values![id(conversation), id(workspace)];
        let row = self.read().await?.row(SELECT, values).await?;
        row.as_ref().map(read).transpose()
    }

    /// Where a task is talked about.
    pub async fn conversations_of_task(
        &self,
        workspace: WorkspaceId,
        task: TaskId,
    ) -> Result<Vec<Conversation>, StoreError> {
        const SELECT: &str = concat!(
            select!(),
            "WHERE c.task_id = $1 AND c.workspace_id = $2 ORDER BY c.id"
        );
        let values = values![id(task), id(workspace)];
        let rows = self.read().await?.rows(SELECT, values).await?;
        rows.iter().map(read).collect()
    }

    /// Changes what is known of a conversation. Errors: [`StoreError::NotFound`].
    pub async fn change_conversation(
        &self,
        conversation: ConversationId,
        change: ConversationChange,
        now: Timestamp,
    ) -> Result<Conversation, StoreError> {
        self.write(ChangeIt {
            conversation,
            change,
            now,
        })
        .await
    }

    /// The same, unless what is remembered is no more what it was: then nothing happens (`None`), and who wants the change reads again.
    pub async fn edit_conversation(
        &self,
        was: &Conversation,
        change: ConversationChange,
        now: Timestamp,
    ) -> Result<Option<Conversation>, StoreError> {
        let change = ChangeIt {
            conversation: was.id,
            change,
            now,
        };
        let was = was.data.clone();
        self.write(EditIt { was, change }).await
    }

    /// Conversations whose task changed since they were told, the one that waits longest first. The time is that of the task's last change.
    pub async fn conversations_to_tell(
        &self,
        limit: u32,
    ) -> Result<Vec<(Conversation, Timestamp)>, StoreError> {
        const SELECT: &str = "SELECT c.id, c.workspace_id, c.integration_id, c.key, c.task_id, c.environment_id, c.data, \
             c.told_at, c.created_at, c.updated_at, t.updated_at AS task_changed_at FROM conversations c \
             JOIN tasks t ON t.id = c.task_id WHERE c.told_at IS NULL OR t.updated_at > c.told_at \
             ORDER BY t.updated_at, c.id LIMIT $1";
        let rows = self.read().await?.rows(SELECT, values![limit]).await?;
        let both = |row: &Row| Ok((read(row)?, row.time("task_changed_at")?));
        rows.iter().map(both).collect()
    }

    /// A conversation was told its task as it stood at `told_at`: keeps what is to be sent for that, with what is remembered. Nothing happens
    /// (`false`) if another server told it meanwhile.
    pub async fn tell_conversation(&self, told: Told, now: Timestamp) -> Result<bool, StoreError> {
        self.write(Tell { told, now }).await
    }
}

/// What a conversation is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The conversation as it was read.
    pub conversation: Conversation,
    /// The state of its task that this tells.
    pub told_at: Timestamp,
    /// What is to be sent.
    pub posts: Vec<Job>,
    /// What the integration remembers from now on.
    pub data: String,
}

fn read(row: &Row) -> Result<Conversation, StoreError> {
    Ok(Conversation {
        id: row.parsed("id")?,
        workspace_id: row.parsed("workspace_id")?,
        integration_id: row.parsed("integration_id")?,
        key: row.text("key")?,
        task_id: row.opt_parsed("task_id")?,
        environment_id: row.opt_parsed("environment_id")?,
        data: row.text("data")?,
        told_at: row.opt_time("told_at")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

struct Open {
    new: Conversation,
}

impl Write for Open {
    type Output = Conversation;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Conversation, StoreError> {
        const INSERT: &str = "INSERT INTO conversations (id, workspace_id, integration_id, key, task_id, environment_id, data, \
             told_at, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
             ON CONFLICT (integration_id, key) DO NOTHING";
        const SELECT: &str = concat!(select!(), "WHERE c.integration_id = $1 AND c.key = $2");
        let Conversation {
            id: conversation,
            workspace_id,
            integration_id,
            key,
            task_id,
            environment_id,
            data,
            told_at,
            created_at,
            updated_at,
        } = &self.new;
        let values = values![
            id(conversation),
            id(workspace_id),
            id(integration_id),
            key,
            opt_id(*task_id),
            opt_id(*environment_id),
            data,
            *told_at,
            *created_at,
            *updated_at
        ];
        tx.execute(INSERT, values).await?;
        let row = tx.row(SELECT, values![id(integration_id), key]).await?;
        read(&row.ok_or_else(|| StoreError::unavailable("a conversation went away"))?)
    }
}

async fn locked(tx: &mut Tx<'_>, conversation: ConversationId) -> Result<Conversation, StoreError> {
    let sql = for_update!(select!(), "WHERE c.id = $1");
    let row = tx.row(sql, values![id(conversation)]).await?;
    read(&row.ok_or(StoreError::NotFound)?)
}

struct ChangeIt {
    conversation: ConversationId,
    change: ConversationChange,
    now: Timestamp,
}

impl Write for ChangeIt {
    type Output = Conversation;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Conversation, StoreError> {
        let mut it = locked(tx, self.conversation).await?;
        let ConversationChange {
            task,
            environment,
            data,
        } = self.change.clone();
        if let Some(task) = task {
            it.task_id = Some(task);
            it.told_at = None;
            tx.changed(Change::Task(task));
        }
        it.environment_id = environment.or(it.environment_id);
        it.data = data.unwrap_or(it.data);
        it.updated_at = self.now;
        write(tx, &it).await?;
        Ok(it)
    }
}

struct EditIt {
    was: String,
    change: ChangeIt,
}

impl Write for EditIt {
    type Output = Option<Conversation>;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Option<Conversation>, StoreError> {
        let it = locked(tx, self.change.conversation).await?;
        match it.data == self.was {
            true => self.change.apply(tx).await.map(Some),
            false => Ok(None),
        }
    }
}

async fn write(tx: &mut Tx<'_>, it: &Conversation) -> Result<(), StoreError> {
    const UPDATE: &str = "UPDATE conversations SET task_id = $2, environment_id = $3, data = $4, told_at = $5, updated_at = $6 \
         WHERE id = $1";
    let values = values![
        id(it.id),
        opt_id(it.task_id),
        opt_id(it.environment_id),
        &it.data,
        it.told_at,
        it.updated_at
    ];
    tx.execute(UPDATE, values).await?;
    Ok(())
}

struct Tell {
    told: Told,
    now: Timestamp,
}

impl Write for Tell {
    type Output = bool;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
        let Told {
            conversation,
            told_at,
            posts,
            data,
        } = &self.told;
        let mut it = locked(tx, conversation.id).await?;
        // What the integration remembers may be newer than what was read: then it is told anew.
        if (it.task_id, it.told_at, &it.data)
            != (
                conversation.task_id,
                conversation.told_at,
                &conversation.data,
            )
        {
            return Ok(false);
        }
        it.told_at = Some(*told_at);
        it.data.clone_from(data);
        it.updated_at = self.now;
        write(tx, &it).await?;
        for post in posts {
            job::insert(tx, post).await?;
        }
        Ok(true)
    }
}
