package state

import (
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"github.com/weirstreams/weir"
)

// options returns the settings of one database.
func (p *Pebble) options(dir string, health *health) *pebble.Options {
	logger := p.config.Logger.With("store", dir)
	options := &pebble.Options{
		FS:                  health.guard,
		Cache:               p.blocks,
		FileCache:           p.files,
		FormatMajorVersion:  pebble.FormatNewest,
		MemTableSize:        uint64(p.config.MemTableBytes),
		MaxManifestFileSize: 4 << 20, // it is read at every open, and small memtables add to it often
		Logger:              pebbleLogger{logger, health},
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) {
				logger.Error("background work of the database failed and is tried again", "error", err)
			},
			// The default ends the process. The read that found the damage returns it as ErrCorrupt; if it was one of a compaction,
			// the next use of the database does.
			DataCorruption: func(info pebble.DataCorruptionInfo) {
				if health.guard.failure() == nil { // else it may be what was not written
					logger.Error("database is corrupt", "details", info.String())
					health.corrupt(fmt.Errorf("%w: %s", weir.ErrCorruptState, info.String()))
				}
			},
		},
	}
	// By default the first level below the flushed tables may grow to 64 MiB, and every fourth memtable is merged into it:
	// small memtables would rewrite most of the database for little. So that level is kept small, and more memtables are
	// merged at a time. With memtables of 1 MiB, 200,000 keys and
	// random updates (BenchmarkBackendSet, Get, Scan), that took the CPU time of a Set from 4.7 to 2.6 us; of a Get from
	// 1.9 to 2.5 us, and of a scan of ten entries from 8 to 11 us, because there are more tables to look into. The
	// write-back cache in front reads a key at most once for many writes, so writes come first.
	options.LBaseMaxBytes = 4 * p.config.MemTableBytes
	options.L0CompactionThreshold = 6
	options.L0StopWritesThreshold = 18
	// New keys are looked up before they are first written, so many reads find nothing.
	options.Levels[0].FilterPolicy = bloom.FilterPolicy(10)
	options.Experimental.CompactionScheduler = p.compactions.database()
	return options
}

// pebbleLogger passes Pebble's messages to slog.
type pebbleLogger struct {
	logger *slog.Logger
	health *health
}

func (l pebbleLogger) Infof(format string, args ...any) { l.logger.Debug(fmt.Sprintf(format, args...)) }

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.logger.Error(fmt.Sprintf(format, args...))
}

// Fatalf must not return: Pebble reports a failed commit as a success then. On the goroutine of a commit, the panic is
// turned into an error; on one of Pebble's own it ends the process with its reason. After a failed write it returns: nothing
// that the database says counts any more.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	if l.health.guard.failure() != nil {
		l.logger.Debug(fmt.Sprintf(format, args...))
		return
	}
	panic(pebbleFailure(fmt.Sprintf(format, args...)))
}

// pebbleFailure is a failure after which a database cannot be used.
type pebbleFailure string

func (f pebbleFailure) Error() string { return string(f) }
