package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/filelock"
)

// PebbleConfig configures the shared parts of the Pebble databases of one process. The zero value is right for most programs.
type PebbleConfig struct {
	// CacheBytes is the memory for blocks that were read from disk, for all databases together. 0 means 64 MiB. All of it
	// serves blocks: memtables come on top (see MemTableBytes).
	CacheBytes int64

	// MemTableBytes bounds the changes that each database buffers in memory before it writes them to a table. A
	// database uses up to twice this. 0 means DefaultMemTableBytes.
	MemTableBytes int64

	// MaxTasks is how many databases may be open at the same time before memtables begin to eat into CacheBytes. It is
	// bookkeeping and costs no memory. 0 means 1024.
	MaxTasks int

	// FS is the file system. nil means the disk. Tests and simulations use vfs.NewMem and vfs.NewCrashableMem.
	FS vfs.FS

	// Logger receives the messages of Pebble: corruption, failed background work and slow disks at Error and Warn, the
	// rest at Debug. nil discards it.
	Logger *slog.Logger
}

// DefaultMemTableBytes is the default of PebbleConfig.MemTableBytes. Smaller memtables are flushed more often, and every
// flush makes work for compactions: the CPU time of a batched random Set is 6.0 us with 256 KiB, 2.5 us with 1 MiB and
// 1.7 us with 4 MiB (BenchmarkBackendSet: 200,000 keys, values of 100 bytes). 1 MiB costs up to 2 MiB per task.
const DefaultMemTableBytes = 1 << 20

const (
	defaultCacheBytes = 64 << 20
	defaultMaxTasks   = 1024
	// maxOpenTables bounds the open files of all databases together, beside a few that each keeps for itself.
	maxOpenTables = 4096
	// slowDisk is how long a call to the file system may take before it is reported.
	slowDisk = 5 * time.Second
)

// Pebble has the shared parts of the Pebble databases of one process: a block cache, a file cache and a limit on concurrent
// compactions. A process has one, and opens one database per task from it. Its methods may be called by any goroutine.
//
// Pebble takes memtables out of the block cache: a cache of n bytes holds n - 2 x memtable x databases bytes of blocks.
// With its defaults that is nothing, and every read goes to the file system. A cache cannot be resized, so this one is
// created with room for the memtables of MaxTasks databases, and all of that is reserved; opening a database gives its share
// back, closing takes it again. The memory used is thus CacheBytes + 2 x MemTableBytes x open databases, with any
// MaxTasks.
type Pebble struct {
	config      PebbleConfig
	disk        bool // FS is the disk, whose locks are those of the process
	blocks      *pebble.Cache
	files       *pebble.FileCache
	compactions *compactionLimit
	stopDisk    io.Closer // the watch for a slow disk; nil with an FS of the caller

	mu       sync.Mutex // guards what follows
	open     map[string]struct{}
	inUse    map[string]*pebble.DB // by the directory that Open was called with
	reserved func()                // gives back the memtable shares of the databases that are not open
	closed   bool
}

// NewPebble returns the shared resources for the databases of one process. Close releases them.
func NewPebble(config PebbleConfig) *Pebble {
	if config.CacheBytes <= 0 {
		config.CacheBytes = defaultCacheBytes
	}
	if config.MemTableBytes <= 0 {
		config.MemTableBytes = DefaultMemTableBytes
	}
	if config.MaxTasks <= 0 {
		config.MaxTasks = defaultMaxTasks
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Pebble{
		disk:        config.FS == nil,
		files:       pebble.NewFileCache(runtime.GOMAXPROCS(0), maxOpenTables),
		compactions: newCompactionLimit(max(1, runtime.GOMAXPROCS(0)/2)),
		open:        map[string]struct{}{},
		inUse:       map[string]*pebble.DB{},
	}
	if p.disk {
		config.FS, p.stopDisk = vfs.WithDiskHealthChecks(vfs.Default, slowDisk, nil, func(info vfs.DiskSlowInfo) {
			config.Logger.Warn("disk is slow", "details", info.String())
		})
	}
	p.config = config
	p.blocks = pebble.NewCache(config.CacheBytes + p.memtables(config.MaxTasks))
	p.reserved = p.blocks.Reserve(int(p.memtables(config.MaxTasks)))
	return p
}

// memtables returns the bytes that Pebble reserves for the memtables of n databases: the one in use and the one being flushed.
func (p *Pebble) memtables(n int) int64 { return 2 * p.config.MemTableBytes * int64(n) }

// Open opens the database in dir, which is created when it does not exist. The database is at the state of some batch
// that was committed, with all before it; after an orderly Close, of the last one. Open reads the log of changes that were
// not yet in tables and blocks for that long.
//
// It fails with weir.ErrLocked when the database is open, in this process or another, and with ErrCorrupt when it is damaged.
func (p *Pebble) Open(dir string) (Backend, error) {
	b, err := p.openLocked(dir)
	if err != nil {
		return nil, fmt.Errorf("store %s: open: %w", dir, err)
	}
	return b, nil
}

// openLocked opens the database and takes its locks: the claim that excludes this process, the file lock that excludes
// others. Both are needed, because the file lock of POSIX does not conflict within a process.
func (p *Pebble) openLocked(dir string) (_ Backend, err error) {
	fsys := p.config.FS
	if err := makeDirs(fsys, dir); err != nil {
		return nil, err
	}
	name, err := p.canonical(dir)
	if err != nil {
		return nil, err
	}
	if err := p.claim(name); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			p.release(name)
		}
	}()
	lock, err := pebble.LockDirectory(dir, fsys)
	if isHeld(err) {
		return nil, fmt.Errorf("%w by another process; give each process its own state directory", weir.ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("lock directory %s: %w", dir, err)
	}
	files := newGuard(fsys, dir)
	health := &health{guard: files}
	options := p.options(dir, health)
	options.Lock = lock
	db, err := pebble.Open(dir, options)
	if failure := files.failure(); failure != nil {
		if err == nil {
			_ = db.Close() // nothing is written any more
		}
		return nil, errors.Join(failure, lock.Close())
	}
	if err != nil {
		if p.isDamage(dir, options, err) {
			err = fmt.Errorf("%w: %w", weir.ErrCorruptState, err)
		}
		return nil, errors.Join(err, lock.Close())
	}
	options.EnsureDefaults() // Open has worked on a copy
	p.mu.Lock()
	p.inUse[dir] = db
	p.mu.Unlock()
	return &pebbleBackend{dir: dir, db: db, options: options, health: health, retire: func() { p.retire(dir) }, release: func() error {
		defer p.release(name)
		return lock.Close()
	}}, nil
}

// retire takes a database that is about to be closed out of those that Databases describes.
func (p *Pebble) retire(dir string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.inUse, dir)
}

// diskDatabases holds the databases on disk that this process has open, by canonical path, whichever Pebble opened them.
var diskDatabases struct {
	sync.Mutex
	open map[string]struct{}
}

// canonical returns the one name of a directory that exists.
func (p *Pebble) canonical(dir string) (string, error) {
	if !p.disk {
		return filepath.Clean(dir), nil
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}

// claim marks a database as open in this process and gives its memtables room in the cache.
func (p *Pebble) claim(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errors.New("the Pebble that it belongs to is closed")
	}
	held := fmt.Errorf("%w: it is already open in this process", weir.ErrLocked)
	if _, ok := p.open[name]; ok {
		return held
	}
	if p.disk {
		diskDatabases.Lock()
		defer diskDatabases.Unlock()
		if _, ok := diskDatabases.open[name]; ok {
			return held
		}
		if diskDatabases.open == nil {
			diskDatabases.open = map[string]struct{}{}
		}
		diskDatabases.open[name] = struct{}{}
	}
	p.open[name] = struct{}{}
	p.reserve()
	if len(p.open) == p.config.MaxTasks+1 {
		p.config.Logger.Warn("more databases are open than planned for: their memtables take space from the block cache",
			"MaxTasks", p.config.MaxTasks)
	}
	return nil
}

// release undoes claim.
func (p *Pebble) release(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.disk {
		diskDatabases.Lock()
		defer diskDatabases.Unlock()
		delete(diskDatabases.open, name)
	}
	delete(p.open, name)
	p.reserve()
}

// reserve keeps the part of the cache that the databases which are not open would take. Callers hold mu.
func (p *Pebble) reserve() {
	p.reserved()
	p.reserved = p.blocks.Reserve(int(p.memtables(max(0, p.config.MaxTasks-len(p.open)))))
}

// isHeld reports whether err of pebble.LockDirectory means that the lock is held. Opening the lock file fails with a
// PathError; a lock that conflicts with one of another process fails with the bare errno of the platform, and with one of
// this process (a Pebble with a disk FS of its own) with an error that has neither.
func isHeld(err error) bool {
	if err == nil {
		return false
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return false
	}
	errno, ok := errors.AsType[syscall.Errno](err)
	return !ok || errno == syscall.EAGAIN || filelock.IsConflict(errno)
}

// isDamage reports whether err of pebble.Open means that the files of the database are damaged.
func (p *Pebble) isDamage(dir string, options *pebble.Options, err error) bool {
	switch {
	case pebble.IsCorruptionError(err):
		return true
	case errors.Is(err, fs.ErrNotExist):
		return true // a file that the database needs is gone: the directory itself was there
	}
	if _, ok := errors.AsType[syscall.Errno](err); ok {
		return false // the system refused something: space, permissions, file handles, I/O
	}
	// Pebble does not mark errors of its consistency check: tables that are missing or have another size than the
	// manifest says. If the database opens without the check, it was the check that failed.
	options = options.Clone()
	options.Logger = pebbleLogger{p.config.Logger.With("store", dir), &health{guard: newGuard(p.config.FS, dir)}}
	options.ReadOnly, options.DisableConsistencyCheck = true, true
	options.Experimental.CompactionScheduler = p.compactions.database()
	db, err := pebble.Open(dir, options)
	if err != nil {
		return pebble.IsCorruptionError(err)
	}
	_ = db.Close() // nothing was written
	return true
}

// PebbleStats is a snapshot of the shared parts of a process's databases.
type PebbleStats struct {
	Databases   int   // open databases
	CacheBytes  int64 // blocks in the cache now
	CacheHits   int64 // since the start
	CacheMisses int64 // since the start: reads that went to the file system
}

// DatabaseStats is a snapshot of one database.
type DatabaseStats struct {
	Dir string // as it was opened
	// Bytes is the space of its files, and CompactionDebt an estimate of the bytes that compactions have yet to rewrite.
	Bytes, CompactionDebt int64
}

// Databases returns a snapshot of each open database for metrics, in no order. It takes Pebble's locks.
func (p *Pebble) Databases() (all []DatabaseStats) {
	p.mu.Lock() // so that none is closed meanwhile
	defer p.mu.Unlock()
	for dir, db := range p.inUse {
		m := db.Metrics()
		all = append(all, DatabaseStats{Dir: dir, Bytes: int64(m.DiskSpaceUsage()), CompactionDebt: int64(m.Compact.EstimatedDebt)})
	}
	return all
}

// Stats returns a snapshot for metrics. It is empty when Pebble is closed.
func (p *Pebble) Stats() PebbleStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return PebbleStats{}
	}
	m := p.blocks.Metrics()
	return PebbleStats{Databases: len(p.open), CacheBytes: m.Size, CacheHits: m.Hits, CacheMisses: m.Misses}
}

// Close releases the shared resources. It fails, and does nothing, while databases are open.
func (p *Pebble) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	if n := len(p.open); n > 0 {
		return fmt.Errorf("close Pebble: %d databases are still open", n)
	}
	p.closed = true
	p.reserved()
	p.files.Unref()
	p.blocks.Unref()
	if p.stopDisk != nil {
		return p.stopDisk.Close()
	}
	return nil
}
