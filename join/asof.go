package join

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/joining"
)

// AsOf defines an as-of join: each left record is joined with one right record of its key, the one that was valid at its
// time. Right records never emit results by themselves, and a later right record never changes a result.
//
// It is immutable: its methods return changed copies. The zero value keeps right records for DefaultGrace.
type AsOf struct {
	definition
	graceSet     bool
	duplicates   bool
	direction    joining.Direction
	tolerance    time.Duration
	hasTolerance bool
	waits        bool
	wait         time.Duration
	mostSet      bool
	most         int
	overflow     Overflow
}

// Grace sets for how long a right record is kept after the latest one of its key. One that comes when it is older than
// that is late: it is counted and not kept. The latest right record of a key is kept for as long as no other comes.
func (a AsOf) Grace(d time.Duration) AsOf {
	a.grace, a.graceSet = d, true
	return a
}

// Name sets the name of the store. The default is "join". Joins of the same streams need different names.
func (a AsOf) Name(name string) AsOf {
	a.name = name
	return a
}

// KeepDuplicates keeps right records of one key and time beside each other, up to their expiry. By default the later one
// takes the place of the earlier. The last one matches in both cases, but for those that are looked for forward: there the
// first one matches.
func (a AsOf) KeepDuplicates() AsOf {
	a.duplicates = true
	return a
}

// Tolerance sets how far the times of a left record and its match may be apart. The default is any distance.
func (a AsOf) Tolerance(d time.Duration) AsOf {
	a.tolerance, a.hasTolerance = d, true
	return a
}

// Forward matches with the earliest right record that is not earlier. A left record waits for it until the event time of
// the partition is more than the tolerance after its own, or until one comes.
func (a AsOf) Forward() AsOf {
	a.direction = joining.Forward
	return a
}

// Nearest matches with the nearest right record in either direction. A left record waits for a nearer one than
// the match found so far, as with Forward.
func (a AsOf) Nearest() AsOf {
	a.direction = joining.Nearest
	return a
}

// Wait makes left records without a match wait for one, for at most d by the clock of the machine from their arrival, and not by event
// time. They lie in a store of the task that survives restarts; the wait goes on while the application is down. A right record that
// matches releases them. When the wait is over, JoinAsOf drops a record without a match, and LeftJoinAsOf emits it.
//
// Without Wait a join that looks backward lets no record wait, and one that looks forward waits until event time has passed, which
// assumes that right records come in the order of their times. Wait is for right records that come later than the left ones that they
// are valid for, and for keys that may stay silent. With [AsOf.Nearest], a record that has an earlier match also waits for a later one that is
// nearer; with Wait it does so by the clock.
//
// Records of one key that are released together are emitted in the order of their arrival; those that find no match go on waiting
// and are overtaken. They keep key, value, time and headers. Windows behind the join see records that are older than those before:
// their grace should be as long as the wait. A right record that is late by the grace of the join matches nothing.
func (a AsOf) Wait(d time.Duration) AsOf {
	a.waits, a.wait = true, d
	return a
}

// MaxPerKey sets how many left records of one key may wait, and the action for more; it needs [AsOf.Wait]. The default is DefaultMaxPerKey
// and SettleOldest.
func (a AsOf) MaxPerKey(n int, overflow Overflow) AsOf {
	a.most, a.overflow, a.mostSet = n, overflow, true
	return a
}

// RightCodec sets how right values are encoded in the store. The default is codec.For.
func (a AsOf) RightCodec[R any](c codec.Codec[R]) AsOf {
	a.codec[1] = c
	return a
}

// LeftCodec sets how left values are encoded while they wait for a match. The default is codec.For.
func (a AsOf) LeftCodec[V any](c codec.Codec[V]) AsOf {
	a.codec[0] = c
	return a
}

// Validate returns all mistakes of the definition, joined.
func (a AsOf) Validate() error {
	problems := a.validate()
	if err := checkDuration("Tolerance", a.tolerance); err != nil {
		problems = append(problems, err)
	}
	if a.direction != joining.Backward && !a.hasTolerance && !a.waits {
		problems = append(problems, errNoTolerance)
	}
	switch err := checkDuration("Wait", a.wait); {
	case err != nil:
		problems = append(problems, err)
	case a.waits && a.wait == 0:
		problems = append(problems, errors.New("Wait is 0: no record would wait; leave it out"))
	}
	switch {
	case a.mostSet && !a.waits:
		problems = append(problems, errors.New("MaxPerKey bounds the records that wait by the clock: set Wait, or leave it out"))
	case a.mostSet && a.most < 1:
		problems = append(problems, fmt.Errorf("MaxPerKey is %d: at least 1 record of a key has to be able to wait", a.most))
	}
	if a.overflow > FailNewest {
		problems = append(problems, fmt.Errorf("%v is not an overflow policy", a.overflow))
	}
	return errors.Join(problems...)
}

// StoreName returns the name of the store of right records.
func (a AsOf) StoreName() string { return a.storeName("join") }

// Settings returns the definition as operators compute with it.
func (a AsOf) Settings() joining.AsOf[Overflow] {
	name := a.StoreName()
	s := joining.AsOf[Overflow]{
		Grace: DefaultGrace.Milliseconds(), Tolerance: maxDuration.Milliseconds() * 100, // more than any distance
		Direction: a.direction, Duplicates: a.duplicates, Left: a.codec[0], Right: a.codec[1],
	}
	if a.graceSet {
		s.Grace = a.grace.Milliseconds()
	}
	if a.hasTolerance {
		s.Tolerance = a.tolerance.Milliseconds()
	}
	switch {
	case a.waits:
		s.Wait = &joining.Wait[Overflow]{
			Store: name + "_buffer", Times: name + "_buffer_times", Millis: a.wait.Milliseconds(), Max: DefaultMaxPerKey, Overflow: a.overflow,
		}
		if a.mostSet {
			s.Wait.Max = a.most
		}
	case a.direction != joining.Backward:
		s.Waiting = name + "_waiting"
	}
	return s
}
