package conn

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// Outage logs when something stops working and when it works again, and nothing in between.
type Outage struct {
	log  *slog.Logger
	task string // as in "cannot TASK"
	on   bool
}

// NewOutage returns an Outage of a task, in words that follow "cannot" and "can".
func NewOutage(log *slog.Logger, task string) Outage { return Outage{log: log, task: task} }

// Note takes the error of a try, or nil.
func (o *Outage) Note(err error) {
	switch {
	case err != nil && !o.on:
		o.log.Warn("cannot "+o.task+", trying again", "error", err)
	case err == nil && o.on:
		o.log.Info("can " + o.task + " again")
	}
	o.on = err != nil
}

// Reach knows whether brokers answer. Every connection of a cluster's clients reports to it.
type Reach struct {
	// lostAt is when the first request failed after the last answer, in nanoseconds since the Unix epoch; 0 while
	// brokers answer.
	lostAt atomic.Int64
}

func (r *Reach) answered() {
	if r.lostAt.Load() != 0 {
		r.lostAt.Store(0)
	}
}

func (r *Reach) failed() {
	if r.lostAt.Load() == 0 {
		r.lostAt.CompareAndSwap(0, time.Now().UnixNano())
	}
}

// Unreachable returns since when no broker has answered, or false if the last request was answered.
func (r *Reach) Unreachable() (since time.Time, ok bool) {
	nanos := r.lostAt.Load()
	return time.Unix(0, nanos), nanos != 0
}
