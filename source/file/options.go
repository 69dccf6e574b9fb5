package file

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/weirstreams/weir/format"
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
	// Delay is the wait between two records, whatever their times are. It cannot be set together with Speed.
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

// Order says how files are divided among readers.
type Order int

const (
	// OneSequence reads all files one after the other, in the order of their paths: names in one folder by bytes, a folder at the place of its
	// name. New files of a watched folder have to come behind those that were read.
	OneSequence Order = iota
	// ByFolder reads the files of each folder one after the other, and several folders at the same time.
	ByFolder
	// Independent reads each file for itself. New files may have any name. The state has an entry for each file that was read.
	Independent
)

const (
	defaultWatchInterval = time.Second
	defaultBatchRecords  = 1000
	batchBytes           = 1 << 20
)

func (o Options[K, V]) withDefaults() Options[K, V] {
	if o.Format == nil {
		o.Format = format.JSONLines[K, V]{}
	}
	if o.WatchInterval == 0 {
		o.WatchInterval = defaultWatchInterval
	}
	if o.BatchRecords == 0 {
		o.BatchRecords = defaultBatchRecords
	}
	return o
}

func (o Options[K, V]) check() error {
	errs := []error{o.Format.Check()}
	if o.Order < OneSequence || o.Order > Independent {
		errs = append(errs, fmt.Errorf("unknown order %d", int(o.Order)))
	}
	if o.Speed > 0 && o.Delay > 0 {
		errs = append(errs, errors.New("set Speed or Delay, not both"))
	}
	if !(o.Speed >= 0) || o.MaxWait < 0 || o.Delay < 0 || o.WatchInterval < 0 || o.MinAge < 0 || o.BatchRecords < 0 {
		errs = append(errs, errors.New("options Speed, MaxWait, Delay, WatchInterval, MinAge and BatchRecords must not be negative"))
	}
	if o.MinAge > 0 && !o.Watch && o.Order != Independent {
		errs = append(errs, errors.New("MinAge needs Watch: files that are too young at the end would never be read"))
	}
	if _, err := path.Match(o.Pattern, ""); err != nil {
		errs = append(errs, fmt.Errorf("pattern %q: %w", o.Pattern, err))
	}
	return errors.Join(slices.DeleteFunc(errs, func(err error) bool { return err == nil })...)
}

// matches reports whether a path fits the pattern.
func (o *Options[K, V]) matches(name string) bool {
	return o.Pattern == "" || match(strings.Split(o.Pattern, "/"), strings.Split(name, "/"))
}

func match(pattern, name []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			for i := range len(name) + 1 {
				if match(pattern[1:], name[i:]) {
					return true
				}
			}
			return false
		}
		if len(name) == 0 {
			return false
		}
		if ok, err := path.Match(pattern[0], name[0]); err != nil || !ok {
			return false
		}
		pattern, name = pattern[1:], name[1:]
	}
	return len(name) == 0
}
