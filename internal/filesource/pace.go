package filesource

import (
	"math"
	"time"
)

// pace finds out when a record is due in a replay.
type pace struct {
	speed float64
	most  time.Duration
	delay time.Duration
	begun bool
	last  int64     // the time of the last record
	at    time.Time // when it was due
}

const (
	// shortestWait is the longest wait that is left out.
	shortestWait = 10 * time.Millisecond
	// mostLate is how far a replay that was held up may be behind before it goes on from there, and does not catch up.
	mostLate = time.Second
)

// due returns when a record with that time is due.
func (p *pace) due(now time.Time, millis int64) time.Time {
	var gap time.Duration
	switch {
	case p.begun && p.delay > 0:
		gap = p.delay
	case p.begun && millis > p.last:
		exact := float64(millis-p.last) / p.speed * float64(time.Millisecond)
		gap = time.Duration(min(exact, float64(math.MaxInt64/2)))
		if p.most > 0 {
			gap = min(gap, p.most)
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
