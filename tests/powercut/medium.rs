//! A disk that keeps a diary: one file in a file system of our own, served by this process. Every write and every flush
//! that reaches it is noted in its order.

use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, OpenFlags,
    ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, WriteFlags,
};
use std::ffi::OsStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

/// Name of the one file.
pub const NAME: &str = "disk";

/// Its number.
const FILE: INodeNo = INodeNo(2);

/// How long the kernel may believe what it was told of the file. Nothing of it changes.
const BELIEVED: Duration = Duration::from_hours(1);

/// What reached the disk.
pub enum Operation {
    /// Bytes were written at a place.
    Write { at: usize, bytes: Vec<u8> },
    /// Everything before is to be kept.
    Flush,
}

struct State {
    bytes: Vec<u8>,
    diary: Vec<Operation>,
}

/// The disk and its diary.
pub struct Medium {
    state: Mutex<State>,
    position: AtomicUsize,
    size: u64,
}

impl Medium {
    pub fn new(bytes: Vec<u8>) -> Arc<Self> {
        let size = bytes.len() as u64;
        let state = Mutex::new(State { bytes, diary: Vec::new() });
        Arc::new(Self { state, position: AtomicUsize::new(0), size })
    }

    /// How many operations reached the disk so far.
    pub fn position(&self) -> usize {
        self.position.load(Ordering::SeqCst)
    }

    /// Takes the diary out.
    pub fn diary(&self) -> Vec<Operation> {
        std::mem::take(&mut self.state.lock().expect("nobody fails while writing").diary)
    }

    fn change(&self, operation: Operation) {
        let mut state = self.state.lock().expect("nobody fails while writing");
        if let Operation::Write { at, bytes } = &operation {
            state.bytes[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        state.diary.push(operation);
        // Before the kernel hears that it is done: who is told of anything afterwards finds this counted.
        self.position.store(state.diary.len(), Ordering::SeqCst);
    }

    fn attributes(&self, number: INodeNo) -> FileAttr {
        let is_file = number == FILE;
        let size = if is_file { self.size } else { 0 };
        FileAttr {
            ino: number,
            size,
            blocks: size / 512,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: if is_file { FileType::RegularFile } else { FileType::Directory },
            perm: 0o700,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

/// The file system that holds a medium as its only file.
pub struct Shelf(pub Arc<Medium>);

impl Filesystem for Shelf {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if name == NAME {
            reply.entry(&BELIEVED, &self.0.attributes(FILE), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&BELIEVED, &self.0.attributes(number));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::empty());
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let state = self.0.state.lock().expect("nobody fails while writing");
        let from = (offset as usize).min(state.bytes.len());
        let to = (from + size as usize).min(state.bytes.len());
        reply.data(&state.bytes[from..to]);
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let at = offset as usize;
        if at + data.len() > self.0.size as usize {
            return reply.error(Errno::ENOSPC);
        }
        self.0.change(Operation::Write { at, bytes: data.to_vec() });
        reply.written(data.len() as u32);
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.0.change(Operation::Flush);
        reply.ok();
    }
}
