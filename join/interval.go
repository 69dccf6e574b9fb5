package join

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/joining"
)

// Interval defines an interval join: each left record is joined with every right record of its key that is at most
// before earlier and at most after later. Either of the two may arrive first.
//
// It is immutable: its methods return changed copies.
type Interval struct {
	definition
	before, after time.Duration
	graceSet      bool
	final         bool
}

// Within defines an interval join. A left record at t matches right records from t-before to t+after, both included.
func Within(before, after time.Duration) Interval { return Interval{before: before, after: after} }

// Grace sets how late records may come. One that is older than the event time of the partition by more than d is late: it is
// counted, joined with the records that are kept, and not kept itself. Records of both sides are kept for as long as a record
// that is not late can match them: until the event time is after them by more than d and the greater of before and after. The
// grace must be at least as long as before and after. The default is DefaultGrace.
func (i Interval) Grace(d time.Duration) Interval {
	i.grace, i.graceSet = d, true
	return i
}

// Name sets the name of the stores, in front of "_left" and "_right". The default is "join". Joins of the same
// streams need different names.
func (i Interval) Name(name string) Interval {
	i.name = name
	return i
}

// UnmatchedWhenFinal lets left, right and outer joins emit a record without a match when no match can come any more: when
// it is not kept any longer. By default it is emitted at once, and again with each match that comes later.
func (i Interval) UnmatchedWhenFinal() Interval {
	i.final = true
	return i
}

// LeftCodec sets how left values are encoded in their store. The default is codec.For.
func (i Interval) LeftCodec[V any](c codec.Codec[V]) Interval {
	i.codec[0] = c
	return i
}

// RightCodec sets how right values are encoded in their store. The default is codec.For.
func (i Interval) RightCodec[R any](c codec.Codec[R]) Interval {
	i.codec[1] = c
	return i
}

// Validate returns all mistakes of the definition, joined.
func (i Interval) Validate() error {
	problems := i.validate()
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"before", i.before}, {"after", i.after}} {
		if err := checkDuration(d.name, d.value); err != nil {
			problems = append(problems, err)
		} else if grace := i.graceOrDefault(); d.value > grace {
			problems = append(problems, fmt.Errorf("%s (%v) is longer than the grace (%v): records would be gone before their matches come", d.name, d.value, grace))
		}
	}
	return errors.Join(problems...)
}

// StoreName returns the name that the names of the stores begin with.
func (i Interval) StoreName() string { return i.storeName("join") }

// Settings returns the definition as operators compute with it.
func (i Interval) Settings() joining.Interval {
	name := i.StoreName()
	return joining.Interval{
		Before: i.before.Milliseconds(), After: i.after.Milliseconds(), Grace: i.graceOrDefault().Milliseconds(), Final: i.final,
		LeftStore: name + "_left", RightStore: name + "_right", Left: i.codec[0], Right: i.codec[1],
	}
}

// graceOrDefault returns how late records may come.
func (i Interval) graceOrDefault() time.Duration {
	if !i.graceSet {
		return DefaultGrace
	}
	return i.grace
}

// String returns the bounds, for people.
func (i Interval) String() string {
	return fmt.Sprintf("%s [-%v, +%v]", i.StoreName(), i.before, i.after)
}
