package simbroker

import (
	"context"
	"time"

	"github.com/weirstreams/weir"
)

// patience is how long a client waits for a cluster that does not answer, if it can wait: see [Broker.Wait].
const patience = 2 * time.Minute

// StopBrokers begins an outage: no call of a client is answered until StartBrokers. Polls return nothing. Other requests
// wait for up to 2 minutes by [Broker.Wait], and then fail with [weir.ErrUnavailable]. The methods for tests work.
func (b *Broker) StopBrokers() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.down {
		b.down, b.downSince = true, b.clock.Now()
	}
}

// StartBrokers ends an outage. Sessions of members begin anew, as with a coordinator that was restarted; transactions
// have gone on to age.
func (b *Broker) StartBrokers() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.down {
		return
	}
	b.down = false
	for _, g := range b.groups {
		g.postpone(b.clock.Now(), b.clock.Now().Sub(b.downSince))
	}
}

// Unreachable implements [broker.Cluster]. During an outage it returns when that began, whether or not a client has
// noticed.
func (b *Broker) Unreachable() (since time.Time, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.down {
		return time.Time{}, false
	}
	return b.downSince, true
}

// reach returns when there is a broker that answers.
func (b *Broker) reach(ctx context.Context, kind OpKind) error {
	polls := kind == OpFetch || kind == OpPoll || kind == OpDone
	return b.await(ctx, b.clock.Now().Add(patience), polls, func() bool { return b.down })
}

// await waits as long as blocked says so, which is called with b.mu held.
func (b *Broker) await(ctx context.Context, deadline time.Time, never bool, blocked func() bool) error {
	for {
		b.mu.Lock()
		wait := blocked()
		b.mu.Unlock()
		switch {
		case !wait:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case never || b.Wait == nil || !b.clock.Now().Before(deadline):
			return weir.ErrUnavailable
		}
		b.Wait(deadline)
	}
}
