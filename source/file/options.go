package file

import (
	"time"

	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/filesource"
)

// Options are the settings of [New]. The zero value reads all files below a folder as JSON lines with keys and times, as sink/file
// writes them, one file after the other.
type Options[K, V any] struct {
	// Format is how records lie in a file. nil means format.JSONLines.
	Format format.Format[K, V]
	// Pattern chooses files by their paths below the folder, with slashes, as path.Match does; ** stands for any number of folders. Empty
	// means all. Files and folders with names that begin with a dot or an underscore are never read.
	Pattern string
	// Order says which files are read one after the other, and which at the same time.
	Order Order
	// Key returns the key of a record from its value. nil leaves the key that the file has: null, if it has none.
	Key func(value V) (K, error)
	// Time returns the time of a record from its value. nil leaves the time that the file has: that of the clock, if it has none.
	Time func(value V) (time.Time, error)
	// Speed replays the times of records: 1 waits between two records as long as their times are apart, 2 half as long, 0 (the default) not
	// at all. A record whose time is before that of its predecessor does not wait. MaxWait bounds each wait; 0 does not bound it.
	Speed   float64
	MaxWait time.Duration
	// Delay is the wait between two records. It does not depend on their times. It cannot be set together with Speed.
	Delay time.Duration
	// Watch goes on with new files when all are read. Without it the source ends.
	Watch bool
	// WatchInterval is how often a reader that has read everything looks for new files. 0 means 1 s.
	WatchInterval time.Duration
	// MinAge leaves files that were changed later than that ago for later, for writers that do not rename finished files. It needs Watch, or
	// the order Independent, by which the runtime looks for new files.
	MinAge time.Duration
	// OnError decides about a record that cannot be read, or the rest of a file (Error.Rest): nil passes over it, an error ends the run.
	// Without OnError every such error ends the run. It is called by the goroutines of several splits at once.
	OnError func(err *format.Error) error
	// BatchRecords is how many records one call of Read returns at most. 0 means 1,000.
	BatchRecords int
}

// Order says which files are read one after the other, and which at the same time: [OneSequence], [ByFolder] or [Independent].
type Order = filesource.Order

const (
	// OneSequence reads all files one after the other, in the order of their paths: names in one folder by bytes, a folder at the place of its
	// name. New files of a watched folder have to come behind those that were read.
	OneSequence = filesource.OneSequence
	// ByFolder reads the files of each folder one after the other, and several folders at the same time.
	ByFolder = filesource.ByFolder
	// Independent reads each file for itself. New files may have any name. The state has an entry for each file that was read.
	Independent = filesource.Independent
)
