//! `import`: a file of transactions, sent to a server in batches, over HTTP like any other client.
//!
//! A line that is sent again is done once, because its key is the same: that is the resume. The progress file only
//! spares sending again what is done.

mod batch;
mod client;
mod lines;
mod progress;
mod refusals;
mod sending;
mod session;
mod told;

use super::block_on;
use crate::{
    cli::Import,
    config,
    failure::{Exit, Failure},
    terminal,
};
use batch::Shape;
use client::Client;
use lines::{Line, Lines, Place};
use progress::{Counts, Progress, beside};
use refusals::Refusals;
use session::{End, Session};
use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};
use told::{Summary, Told};

/// What lines come from.
type Source = Lines<Box<dyn BufRead + Send>>;

/// An import that is ready to begin.
struct Plan {
    /// The file's size in bytes, and where its progress is written; standard input has neither.
    size: Option<u64>,
    path: Option<PathBuf>,
    lines: Source,
    progress: Progress,
    refusals: Refusals,
    shape: Shape,
}

/// Does it.
pub fn run(how: &Import) -> Result<ExitCode, Failure> {
    if how.dry_run {
        return rehearse(how);
    }
    let client = Client::new(&how.url, &key(how)?)?;
    let Plan { size, path, lines, progress, refusals, shape } = plan(how)?;
    let (from, started) = (progress.line, Instant::now());
    let told = Told::new(size, progress.offset, progress.line);
    let mut session = Session { path, progress, refusals, told };
    let batches = batch::read(lines, shape);
    let ended = block_on(session.run(client, how.atomic, batches, usize::from(how.parallel)));
    let Session { progress, refusals, path, .. } = &session;
    let errors = refusals.path();
    let summary = Summary { file: &how.file, progress, errors, from, took: started.elapsed() };
    if ended.is_ok() || how.json {
        summary.print(how.json)?;
    }
    let again = match path {
        Some(_) => format!("the same command goes on after line {}", progress.line),
        None => "send the same lines again with the same --key-prefix".to_owned(),
    };
    match ended {
        Err(Failure { what, exit, next }) => {
            let Counts { done, refused, .. } = progress.counts;
            let what = format!("{what}\n{done} lines are done, {refused} refused: {again}");
            Err(Failure { what, exit, next })
        }
        Ok(End::Asked) => {
            terminal::say(format_args!("Stopped: {again}; nothing is done twice."));
            Ok(Exit::Interrupted.into())
        }
        Ok(End::Reached) if progress.counts.refused > 0 => Ok(Exit::Failed.into()),
        Ok(End::Reached) => Ok(ExitCode::SUCCESS),
    }
}

fn key(how: &Import) -> Result<String, Failure> {
    let Some(path) = &how.api_key_file else {
        return config::api_key().ok_or_else(|| {
            Failure::new(Exit::CouldNot, "there is no API key").next(
                "put one with the permission write:transactions into WALLSTREET_API_KEY, or into a file for \
                 --api-key-file; POST /api/v1/api-keys makes one",
            )
        });
    };
    let shown = path.display();
    let wrong = |why: String| Failure::new(Exit::CouldNot, format!("--api-key-file {shown} {why}"));
    let text =
        fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    match text.trim() {
        "" => Err(wrong("is empty".to_owned())),
        key => Ok(key.to_owned()),
    }
}

fn unread(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::CouldNot, format!("cannot read {}: {error}", path.display()))
}

/// The lines of FILE, and its size; standard input has none.
fn source(how: &Import, prefix: &str) -> Result<(Source, Option<u64>), Failure> {
    if how.file.as_os_str() == "-" {
        return Ok((Lines::new(Box::new(BufReader::new(io::stdin())), prefix), None));
    }
    let open = || -> io::Result<_> {
        let file = File::open(&how.file)?;
        let about = file.metadata()?;
        Ok((file, about))
    };
    let (file, about) = open().map_err(|error| unread(&how.file, &error))?;
    if !about.is_file() {
        let what = format!("{} is not a file that can be read twice", how.file.display());
        return Err(
            Failure::new(Exit::CouldNot, what).next("for a pipe, give - as FILE, and --key-prefix")
        );
    }
    Ok((Lines::new(Box::new(BufReader::with_capacity(1 << 16, file)), prefix), Some(about.len())))
}

fn plan(how: &Import) -> Result<Plan, Failure> {
    let url = how.url.trim_end_matches('/');
    let given = how.key_prefix.as_deref();
    if given.is_some_and(|it| {
        it.is_empty() || it.len() > 200 || !it.bytes().all(|b| b.is_ascii_graphic())
    }) {
        let what = "--key-prefix must be 1 to 200 visible ASCII characters";
        return Err(Failure::new(Exit::CouldNot, what));
    }
    let shape = Shape { most: usize::from(how.batch), atomic: how.atomic, probe: false };
    let named = |file: &Path| how.errors.clone().unwrap_or_else(|| beside(file, ".errors.ndjson"));
    let nothing = Place::default().hash();
    if how.file.as_os_str() == "-" {
        let prefix = given.ok_or_else(|| {
            Failure::new(Exit::CouldNot, "standard input needs --key-prefix").next(
                "choose a name for these lines, e.g. --key-prefix payroll-2026-11, and use it again if they have \
                 to be sent again",
            )
        })?;
        let (lines, size) = source(how, prefix)?;
        let refusals = Refusals::open(&named(Path::new("import")), 0)?;
        let progress = Progress::new(url, prefix, nothing);
        return Ok(Plan { path: None, size, lines, progress, refusals, shape });
    }
    let (path, errors) = (Progress::path(&how.file), named(&how.file));
    let same = |path: &Path| fs::canonicalize(path).ok();
    if same(&errors).is_some_and(|errors| Some(errors) == same(&how.file)) {
        return Err(Failure::new(Exit::CouldNot, "--errors names the file that is imported"));
    }
    let earlier = Progress::read(&path)?;
    let prefix = match (&earlier, given) {
        (Some(earlier), _) => earlier.key_prefix.clone(),
        (None, Some(given)) => given.to_owned(),
        (None, None) => {
            let from = File::open(&how.file).map_err(|error| unread(&how.file, &error))?;
            lines::prefix(BufReader::new(from)).map_err(|error| unread(&how.file, &error))?
        }
    };
    let (mut lines, size) = source(how, &prefix)?;
    let Some(earlier) = earlier else {
        let mut progress = Progress::new(url, &prefix, nothing);
        // Before anything is sent, so that an import that was cut off knows itself again.
        progress.save(&path)?;
        let refusals = Refusals::open(&errors, 0)?;
        let shape = Shape { probe: given.is_none(), ..shape };
        return Ok(Plan { path: Some(path), size, lines, progress, refusals, shape });
    };
    earlier.fits(&path, url, given)?;
    let passed = lines.pass(earlier.offset, earlier.line, &earlier.sha256);
    if !passed.map_err(|error| unread(&how.file, &error))? {
        let why = format!("the part of {} that is done is no longer the same", how.file.display());
        return Err(progress::unusable(&path, &why));
    }
    let refusals = Refusals::open(&errors, earlier.errors_length)?;
    Ok(Plan { path: Some(path), size, lines, progress: earlier, refusals, shape })
}

/// Reads everything and sends nothing.
fn rehearse(how: &Import) -> Result<ExitCode, Failure> {
    const SHOWN: u64 = 10;
    let (mut lines, _) = source(how, "dry-run")?;
    let (mut good, mut bad) = (0_u64, 0_u64);
    while let Some(line) = lines.next().map_err(|error| unread(&how.file, &error))? {
        match line {
            Line::Item(_) => good += 1,
            Line::Bad(refused) => {
                bad += 1;
                if bad <= SHOWN {
                    terminal::warn(format_args!("line {}: {}", refused.line, refused.message));
                }
            }
        }
    }
    if bad > SHOWN {
        terminal::warn(format_args!("and {} more", bad - SHOWN));
    }
    told::rehearsed(how, good, bad)?;
    Ok(if bad == 0 { ExitCode::SUCCESS } else { Exit::Failed.into() })
}
