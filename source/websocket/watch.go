package websocket

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coder/websocket"
)

// watch sends pings, and ends a connection that does not answer or sends nothing.
func (r *reader[K, V]) watch() {
	o := &r.source.options
	var pings, looks <-chan time.Time
	if o.PingInterval > 0 {
		t := time.NewTicker(o.PingInterval)
		defer t.Stop()
		pings = t.C
	}
	if o.IdleTimeout > 0 {
		t := time.NewTicker(max(o.IdleTimeout/4, time.Millisecond))
		defer t.Stop()
		looks = t.C
	}
	for {
		var err error
		select {
		case <-r.ctx.Done():
			return
		case <-pings:
			err = r.ping()
		case <-looks:
			if time.Now().UnixNano()-r.lastCame.Load() > int64(o.IdleTimeout) {
				err = fmt.Errorf("no message has come for %v (Options.IdleTimeout)", o.IdleTimeout)
			}
		}
		if err != nil {
			r.cancel(err)
			return
		}
	}
}

// ping sends a ping and waits for the answer, or sends a heartbeat. While the receiver waits for room, or messages come in front of the answer, its lack
// means nothing. Other errors than a lack of an answer are found by the receiver.
func (r *reader[K, V]) ping() error {
	o := &r.source.options
	held, received := r.held.Load(), r.received.Load()
	if held%2 == 1 {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.ctx, o.PongTimeout)
	defer cancel()
	if o.Heartbeat != "" {
		_ = r.connection.Write(ctx, websocket.MessageText, []byte(o.Heartbeat)) // one that takes too long closes the connection
		return nil
	}
	err := r.connection.Ping(ctx)
	if errors.Is(err, context.DeadlineExceeded) && r.held.Load() == held && r.received.Load() == received {
		return fmt.Errorf("no answer to a ping within %v (Options.PongTimeout)", o.PongTimeout)
	}
	return nil
}
