package saramabroker

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// outage logs when something stops working and when it works again, and nothing in between.
type outage struct {
	log  *slog.Logger
	what string
	on   bool
}

func (o *outage) note(err error) {
	switch {
	case err != nil && !o.on:
		o.log.Warn("cannot "+o.what+", trying again", "error", err)
	case err == nil && o.on:
		o.log.Info("can " + o.what + " again")
	}
	o.on = err != nil
}

// reach knows whether brokers answer. Every connection of a cluster's clients reports to it.
type reach struct {
	// lostAt is when the first request failed after the last answer, in nanoseconds since the Unix epoch; 0 while
	// brokers answer.
	lostAt atomic.Int64
}

func (r *reach) answered() {
	if r.lostAt.Load() != 0 {
		r.lostAt.Store(0)
	}
}

func (r *reach) failed() {
	if r.lostAt.Load() == 0 {
		r.lostAt.CompareAndSwap(0, time.Now().UnixNano())
	}
}

func (r *reach) unreachable() (since time.Time, ok bool) {
	nanos := r.lostAt.Load()
	return time.Unix(0, nanos), nanos != 0
}
