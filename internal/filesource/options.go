package filesource

import (
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/connector"
)

// Options are those of source/file, which documents them.
type Options[K, V any] struct {
	Format        format.Format[K, V]
	Pattern       string
	Order         Order
	Key           func(value V) (K, error)
	Time          func(value V) (time.Time, error)
	Speed         float64
	MaxWait       time.Duration
	Delay         time.Duration
	Watch         bool
	WatchInterval time.Duration
	MinAge        time.Duration
	OnError       func(err *format.Error) error
	BatchRecords  int
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

// WithDefaults sets the fields that are left out.
func (o Options[K, V]) WithDefaults() Options[K, V] {
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

// Check returns everything that is wrong with the options.
func (o Options[K, V]) Check() error {
	errs := []error{o.Format.Check(), connector.Negative(o)}
	if o.Order < OneSequence || o.Order > Independent {
		errs = append(errs, fmt.Errorf("unknown order %d", int(o.Order)))
	}
	if o.Speed > 0 && o.Delay > 0 {
		errs = append(errs, errors.New("set Speed or Delay, not both"))
	}
	if o.MinAge > 0 && !o.Watch && o.Order != Independent {
		errs = append(errs, errors.New("MinAge needs Watch: files that are too young at the end would never be read"))
	}
	if _, err := path.Match(o.Pattern, ""); err != nil {
		errs = append(errs, fmt.Errorf("pattern %q: %w", o.Pattern, err))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w: %w", weir.ErrConfiguration, err)
	}
	return nil
}
