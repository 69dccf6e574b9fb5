package join

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir/codec"
)

// Direction says on which side of a record's time its match lies.
type Direction uint8

// The directions.
const (
	// Backward takes the latest right record that is not later.
	Backward Direction = iota
	// Forward takes the earliest right record that is not earlier.
	Forward
	// Nearest takes the one of the two that is nearer, and the earlier one of two that are equally near.
	Nearest
)

// AsOf defines an as-of join: each left record is joined with one right record of its key, the one that was valid at its
// time. Right records never emit results by themselves, and a later right record never changes a result.
//
// It is immutable: its methods return changed copies. The zero value keeps right records for DefaultGrace.
type AsOf struct {
	definition
	graceSet     bool
	duplicates   bool
	direction    Direction
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
	a.direction = Forward
	return a
}

// Nearest matches with the nearest right record in either direction. A left record waits for a nearer one than
// the match found so far, as with Forward.
func (a AsOf) Nearest() AsOf {
	a.direction = Nearest
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
	if a.direction != Backward && !a.hasTolerance && !a.waits {
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

// WaitingName returns the name of the store of left records that wait by event time, or "" if none do.
func (a AsOf) WaitingName() string {
	if a.direction == Backward || a.waits {
		return ""
	}
	return a.StoreName() + "_waiting"
}

// BufferNames returns the names of the stores of left records that wait by the clock: of the records, and of the least time of those of each
// key. They are empty without Wait.
func (a AsOf) BufferNames() (waiting, times string) {
	if !a.waits {
		return "", ""
	}
	return a.StoreName() + "_buffer", a.StoreName() + "_buffer_times"
}

// WaitMillis returns how long left records wait by the clock; 0 if they do not.
func (a AsOf) WaitMillis() int64 { return a.wait.Milliseconds() }

// Max returns how many left records of one key may wait by the clock.
func (a AsOf) Max() int {
	if !a.mostSet {
		return DefaultMaxPerKey
	}
	return a.most
}

// Overflow returns the action for more left records than may wait.
func (a AsOf) Overflow() Overflow { return a.overflow }

// GraceMillis, ToleranceMillis, Direction, Duplicates and Codecs return the parts of the definition.
func (a AsOf) GraceMillis() int64 {
	if !a.graceSet {
		return DefaultGrace.Milliseconds()
	}
	return a.grace.Milliseconds()
}

// ToleranceMillis returns the tolerance, or more than any distance.
func (a AsOf) ToleranceMillis() int64 {
	if !a.hasTolerance {
		return maxDuration.Milliseconds() * 100
	}
	return a.tolerance.Milliseconds()
}

// Direction returns where a match is looked for.
func (a AsOf) Direction() Direction { return a.direction }

// Duplicates reports whether right records of one time are kept beside each other.
func (a AsOf) Duplicates() bool { return a.duplicates }

// Codecs returns the codecs that were set for left and right values, or nil.
func (a AsOf) Codecs() (left, right any) { return a.codec[0], a.codec[1] }
