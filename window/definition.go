package window

import (
	"fmt"
	"time"
)

// Definition says which windows there are. It is immutable: its methods return changed copies.
type Definition struct {
	size  time.Duration
	grace time.Duration
	name  string
}

// Tumbling defines windows of equal size that follow each other without gaps. They are aligned to the Unix epoch: a
// window of one hour begins at the full hour, UTC. The start of a window belongs to it, its end does not.
//
// The size must be a positive, whole number of milliseconds; Topology.Validate reports anything else.
func Tumbling(size time.Duration) Definition { return Definition{size: size} }

// Grace sets how long after its end, in event time of the key, a window still takes records. The default is none.
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

// StoreName returns the name of the store that keeps the windows.
func (d Definition) StoreName() string {
	name := fmt.Sprintf("tumbling_window_%d", d.SizeMillis())
	if d.name != "" {
		name = d.name + "_" + name
	}
	return name
}

// SizeMillis returns the size in milliseconds.
func (d Definition) SizeMillis() int64 { return d.size.Milliseconds() }

// GraceMillis returns the grace period in milliseconds.
func (d Definition) GraceMillis() int64 { return d.grace.Milliseconds() }

// Validate says what is wrong with the definition.
func (d Definition) Validate() error {
	switch {
	case d.size <= 0:
		return fmt.Errorf("window size %v: must be positive", d.size)
	case d.size%time.Millisecond != 0:
		return fmt.Errorf("window size %v: must be a whole number of milliseconds", d.size)
	case d.grace < 0:
		return fmt.Errorf("window grace %v: must not be negative", d.grace)
	case d.grace%time.Millisecond != 0:
		return fmt.Errorf("window grace %v: must be a whole number of milliseconds", d.grace)
	}
	return nil
}

// String describes the definition for people.
func (d Definition) String() string {
	s := "tumbling " + d.size.String()
	if d.grace != 0 {
		s += " grace " + d.grace.String()
	}
	return s
}
