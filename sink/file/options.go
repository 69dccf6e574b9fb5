package file

import (
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
)

// Options are the settings of [New]. The zero value writes JSON lines into a folder per topic and partition.
type Options[K, V any] struct {
	// Format is how records lie in a file. nil means format.JSONLines.
	Format format.Format[K, V]
	// Compression compresses whole files. It is refused for Parquet, which compresses within.
	Compression format.Compression
	// Folder returns the folder of a record below the directory, as a list of nested folders: [ByKey], [ByTime], [ByColumns], or a function of
	// your own. nil means TOPIC/PARTITION of the input record. Text that comes from data cannot leave the directory: slashes and the like are
	// written as %XX; [Hive] makes a folder column=value. The function is called by several goroutines at once. Its error is one of the
	// record.
	Folder func(r *weir.Record[K, V]) ([]string, error)
	// Suffix is added to the names of files, before their ending. It tells the files of several sinks in one directory apart for readers.
	Suffix string
	// Replace leaves the unique part out of names: a file replaces another one of the same name, which covers the same offsets. Choose it
	// to write files anew from the same input. It is wrong where two sinks, or topics that were made anew, write to one directory.
	Replace bool
	// MaxFileBytes is the size at which a file is complete and another one begins. A file may be larger by a record and the buffers of its
	// format. 0 means 128 MiB.
	MaxFileBytes int64
	// MaxFileRecords is the number of records at which a file is complete. 0 means any number.
	MaxFileRecords int
	// OpenFiles is how many files of a task are written at the same time; others are completed, and their folders get another file.
	// Each may hold buffers of the format and the compression. 0 means 64.
	OpenFiles int
	// HoldBytes is how much a task holds in memory before it asks for a checkpoint. 0 means 64 MiB.
	HoldBytes int64
	// MaxAge is how long a record may wait before its task asks for a checkpoint. 0 means until the next checkpoint of the runtime.
	MaxAge time.Duration
}
