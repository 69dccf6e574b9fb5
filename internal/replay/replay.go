// Package replay finds out when records are due that are read with the pace of their times.
package replay

import (
	"math"
	"time"
)

// Pace is the pace of one reader. The zero Pace does not wait.
type Pace struct {
	// Speed replays the times of records: 1 as they are apart, 2 in half the time. 0 does not wait for them.
	Speed float64
	// Most bounds each wait of Speed; 0 does not bound it.
	Most time.Duration
	// Delay is the wait between two records, whatever their times. It counts before Speed.
	Delay time.Duration

	begun bool
	last  int64     // the time of the last record
	at    time.Time // when it was due
}

const (
	// ShortestWait is the longest wait that is left out.
	ShortestWait = 10 * time.Millisecond
	// mostLate is how far a replay that was held up may be behind before it goes on from there, and does not catch up.
	mostLate = time.Second
)

// Waits reports whether any record waits.
func (p *Pace) Waits() bool { return p.Speed > 0 || p.Delay > 0 }

// Due returns when the next record, with a time in Unix milliseconds, is due.
func (p *Pace) Due(now time.Time, millis int64) time.Time {
	var gap time.Duration
	switch {
	case p.begun && p.Delay > 0:
		gap = p.Delay
	case p.begun && p.Speed > 0 && millis > p.last:
		exact := float64(millis-p.last) / p.Speed * float64(time.Millisecond)
		gap = time.Duration(min(exact, float64(math.MaxInt64/2)))
		if p.Most > 0 {
			gap = min(gap, p.Most)
		}
	}
	if !p.begun || p.at.Add(gap).Before(now.Add(-mostLate)) {
		p.at = now
	} else {
		p.at = p.at.Add(gap)
	}
	p.begun, p.last = true, millis
	return p.at
}
