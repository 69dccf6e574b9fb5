package window

import (
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/windowing"
)

// kindNames are the kinds in the names of stores.
var kindNames = [...]string{
	"tumbling_window", "hopping_window", "sliding_window", "session_window",
	"tumbling_count_window", "hopping_count_window", "sliding_count_window",
}

// Definition says which windows there are. It is immutable: its methods return changed copies.
type Definition struct {
	kind        windowing.Kind
	size, step  time.Duration // size is the gap of sessions
	count       int
	countStep   int
	grace       time.Duration
	skew        time.Duration
	name        string
	byPartition bool
	unlogged    bool
	onLate      func(Late) bool
}

// Tumbling defines windows of equal size that follow each other without gaps. They are aligned to the Unix epoch: a
// window of one hour begins at the full hour, UTC. The start of a window belongs to it, its end does not.
//
// The size must be a positive, whole number of milliseconds; Topology.Validate reports anything else.
func Tumbling(size time.Duration) Definition {
	return Definition{kind: windowing.Tumbling, size: size, step: size, skew: weir.DefaultMaxFutureSkew}
}

// Hopping defines windows of equal size that begin a step apart, aligned to the Unix epoch. They overlap: the
// step must be smaller than the size, and need not divide it. No window begins before the epoch.
func Hopping(size, step time.Duration) Definition {
	return Definition{kind: windowing.Hopping, size: size, step: step, skew: weir.DefaultMaxFutureSkew}
}

// Sliding defines one window for each distinct time T of a key's records: that of the records from T-size to T, both
// ends included. The aggregator must be able to merge.
//
// A window is closed when stream time, less the grace period, is after its end. A record that comes when its own window
// is closed, but others that contain it are not, is counted in those; it is late for its own. A result is computed from
// one accumulator for each distinct time in the window.
func Sliding(size time.Duration) Definition {
	return Definition{kind: windowing.Sliding, size: size, skew: weir.DefaultMaxFutureSkew}
}

// Session defines windows of activity: records of a key that follow each other by at most gap, in the order
// of event time. A record that comes late may join two sessions. The aggregator must be able to merge. A result's start
// and end are the times of the first and the last record, both included.
//
// A record is late if it is older than stream time by more than the gap and the grace period, independent of open sessions:
// it is not added, so a chain of late records cannot extend a session. A session is closed when no record that is not late
// can reach it: when stream time is after its last record by more than twice the gap and the grace period. So the order of
// arrival of records that are not late does not matter.
func Session(gap time.Duration) Definition {
	return Definition{kind: windowing.Session, size: gap, skew: weir.DefaultMaxFutureSkew}
}

// TumblingCount defines windows of count records of a key, at least 2, in the order of processing. A result's start and end are the
// smallest and the greatest time of the records, both included.
func TumblingCount(count int) Definition {
	return Definition{kind: windowing.TumblingCount, count: count}
}

// HoppingCount defines windows of count records of a key that begin with every step-th record. The step is at most count, which is
// the same as TumblingCount: no record is left out.
func HoppingCount(count, step int) Definition {
	return Definition{kind: windowing.HoppingCount, count: count, countStep: step}
}

// SlidingCount defines windows of the last count records of a key, one for each record from the count-th on.
func SlidingCount(count int) Definition {
	return Definition{kind: windowing.SlidingCount, count: count, countStep: 1}
}

// Grace sets how long after its end, in event time, a window still takes records. The default is none. Windows by count
// have no grace.
func (d Definition) Grace(grace time.Duration) Definition {
	d.grace = grace
	return d
}

// Name puts name and an underscore in front of the name of the window's store, which is otherwise derived from kind and
// size. Two windows of the same kind and size on one stream need names.
func (d Definition) Name(name string) Definition {
	d.name = name
	return d
}

// CloseByKey lets the windows of a key close when a record of that key shows that time has passed. It is the default.
func (d Definition) CloseByKey() Definition {
	d.byPartition = false
	return d
}

// CloseByPartition lets windows close when a record of any key in the partition shows that time has passed. The greatest
// time seen is kept with the state. Results come in the order of window ends, then of encoded keys. Closing costs in
// proportion to the windows that close.
//
// It is not for windows by count: time does not close them.
func (d Definition) CloseByPartition() Definition {
	d.byPartition = true
	return d
}

// WithoutChangelog keeps the windows in the local database of the task and nowhere else: they are lost with the machine, and when
// another member takes over the task. store.CellHandle.WithoutChangelog says more.
func (d Definition) WithoutChangelog() Definition {
	d.unlogged = true
	return d
}

// OnLate sets a function that is called for each window that a record came too late for. If it returns false the record
// is not logged; it is counted all the same. It is called by one goroutine per task.
func (d Definition) OnLate(f func(Late) bool) Definition {
	d.onLate = f
	return d
}

// MaxFutureSkew sets how far the time of a record may be ahead of the clock of the machine; zero or less means any. The
// default is an hour. A record that is further ahead is treated as late and moves no time: otherwise one device with a
// wrong clock would close every window.
//
// This is the one place where the clock of the machine decides. A replay runs later than the live run, so it refuses no
// record that the live run took; it can take one that was refused if its time has come since.
func (d Definition) MaxFutureSkew(skew time.Duration) Definition {
	d.skew = skew
	return d
}

// StoreName returns the name of the store that keeps the windows.
func (d Definition) StoreName() string {
	name := kindNames[d.kind]
	switch d.kind {
	case windowing.Hopping:
		name += fmt.Sprintf("_%d_%d", d.size.Milliseconds(), d.step.Milliseconds())
	case windowing.HoppingCount:
		name += fmt.Sprintf("_%d_%d", d.count, d.countStep)
	case windowing.TumblingCount, windowing.SlidingCount:
		name += fmt.Sprintf("_%d", d.count)
	default:
		name += fmt.Sprintf("_%d", d.size.Milliseconds())
	}
	if d.name != "" {
		name = d.name + "_" + name
	}
	return name
}

// Settings returns the definition as operators compute with it.
func (d Definition) Settings() windowing.Settings[Late] {
	return windowing.Settings[Late]{
		Kind: d.kind, Size: d.size.Milliseconds(), Step: d.step.Milliseconds(), Grace: d.grace.Milliseconds(), Skew: d.skew.Milliseconds(),
		Records: int64(d.count), RecordStep: int64(d.countStep), ByPartition: d.byPartition, Unlogged: d.unlogged, OnLate: d.onLate,
	}
}

// Validate returns all mistakes of the definition, joined.
func (d Definition) Validate() error {
	if d.kind.ByCount() {
		switch {
		case d.count < 2:
			return fmt.Errorf("window of %d records: there must be at least 2, use Map for each record alone", d.count)
		case d.kind == windowing.HoppingCount && d.countStep < 1:
			return fmt.Errorf("window step of %d records: must be positive", d.countStep)
		case d.kind == windowing.HoppingCount && d.countStep > d.count:
			return fmt.Errorf("window step of %d records: must not be greater than the window, %d records: windows leave no record out",
				d.countStep, d.count)
		case d.grace != 0:
			return fmt.Errorf("window grace %v: windows by count have none", d.grace)
		case d.byPartition:
			return fmt.Errorf("windows by count cannot close by partition")
		}
		return nil
	}
	if err := checkDuration("size", d.size, true); err != nil {
		return err
	}
	if d.kind == windowing.Hopping {
		if err := checkDuration("step", d.step, true); err != nil {
			return err
		}
		if d.step >= d.size {
			return fmt.Errorf("window step %v: must be smaller than the size, %v", d.step, d.size)
		}
	}
	return checkDuration("grace", d.grace, false)
}

func checkDuration(what string, d time.Duration, positive bool) error {
	switch {
	case positive && d <= 0:
		return fmt.Errorf("window %s %v: must be positive", what, d)
	case d < 0:
		return fmt.Errorf("window %s %v: must not be negative", what, d)
	case d%time.Millisecond != 0:
		return fmt.Errorf("window %s %v: must be a whole number of milliseconds", what, d)
	}
	return nil
}

// String describes the definition for people.
func (d Definition) String() string {
	var s string
	switch d.kind {
	case windowing.Tumbling:
		s = "tumbling " + d.size.String()
	case windowing.Hopping:
		s = "hopping " + d.size.String() + " step " + d.step.String()
	case windowing.Sliding:
		s = "sliding " + d.size.String()
	case windowing.Session:
		s = "session " + d.size.String()
	case windowing.TumblingCount:
		s = fmt.Sprintf("tumbling %d records", d.count)
	case windowing.HoppingCount:
		s = fmt.Sprintf("hopping %d records step %d", d.count, d.countStep)
	case windowing.SlidingCount:
		s = fmt.Sprintf("sliding %d records", d.count)
	}
	if d.grace != 0 {
		s += " grace " + d.grace.String()
	}
	if d.byPartition {
		s += " by partition"
	}
	return s
}
