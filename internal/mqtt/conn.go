package mqtt

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Conn is a connection that a broker has accepted. It ends with the first error, and is not opened again. Its methods may be called by several goroutines
// at once.
type Conn struct {
	Limits Limits

	config     Config
	keepAlive  time.Duration
	socket     net.Conn
	in         *bufio.Reader // of the reading goroutine, after Dial
	goroutines sync.WaitGroup
	ended      chan struct{} // closed with the first error
	closing    chan struct{} // closed by Close

	mu    sync.Mutex // guards the rest
	out   []byte     // packets that were not written yet
	err   error      // the first one
	ids   uint16     // of the last SUBSCRIBE
	subs  map[uint16]chan []byte
	pongs []chan struct{} // that wait for PINGRESP
	once  sync.Once

	writing sync.Mutex // held over a write; before mu
}

// ErrClosed says that Close was called.
var ErrClosed = errors.New("the connection was closed")

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.ended }

// Err returns the error that has ended the connection, or nil.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// fail ends the connection.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	first := c.err == nil
	if first {
		c.err = err
	}
	c.mu.Unlock()
	if first {
		close(c.ended)
		_ = c.socket.Close() // the first error counts
	}
}

// Close tells the broker that the client goes, so that it does not send the will, and ends the connection.
func (c *Conn) Close() error {
	c.once.Do(func() {
		c.Queue(func(dst []byte, v Version) []byte { return appendPacket(dst, typeDisconnect, 0, nil) })
		_ = c.Flush() // the broker may be away
		c.fail(ErrClosed)
		close(c.closing)
	})
	c.goroutines.Wait()
	return nil
}

// Abort ends the connection as if the process had died.
func (c *Conn) Abort() {
	c.fail(ErrClosed)
	c.once.Do(func() { close(c.closing) })
	c.goroutines.Wait()
}

// Queue appends packets to those that Flush writes.
func (c *Conn) Queue(add func(dst []byte, v Version) []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = add(c.out, c.config.Version)
}

// QueueMessage appends a message to the packets that Flush writes, and returns how many bytes wait.
func (c *Conn) QueueMessage(m *Message) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = m.appendTo(c.out, c.config.Version)
	return len(c.out)
}

// QueueAck appends the acknowledgement of a message.
func (c *Conn) QueueAck(id uint16) {
	c.Queue(func(dst []byte, _ Version) []byte {
		return appendPacket(dst, typePuback, 0, binary.BigEndian.AppendUint16(nil, id))
	})
}

// Flush writes the packets that wait.
func (c *Conn) Flush() error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	out, err := c.out, c.err
	c.out = nil
	c.mu.Unlock()
	if err != nil || len(out) == 0 {
		return err
	}
	if err = c.socket.SetWriteDeadline(time.Now().Add(c.config.Timeout)); err == nil {
		_, err = c.socket.Write(out)
	}
	if err != nil {
		c.fail(fmt.Errorf("write to the broker: %w", err))
		return c.Err()
	}
	return nil
}

// wait waits for an answer of the broker.
func wait[T any](ctx context.Context, c *Conn, answer <-chan T) (got T, err error) {
	timer := time.NewTimer(c.config.Timeout)
	defer timer.Stop()
	select {
	case got = <-answer:
		return got, nil
	case <-c.ended:
		return got, c.Err()
	case <-ctx.Done():
		return got, context.Cause(ctx)
	case <-timer.C:
		err := fmt.Errorf("the broker has not answered within %v: %w", c.config.Timeout, context.DeadlineExceeded)
		c.fail(err)
		return got, err
	}
}

// Subscribe subscribes to filters with QoS 1 at most.
func (c *Conn) Subscribe(ctx context.Context, filters []string) error {
	answer := make(chan []byte, 1)
	c.mu.Lock()
	c.ids++
	id := c.ids
	if c.subs == nil {
		c.subs = map[uint16]chan []byte{}
	}
	c.subs[id] = answer
	body := binary.BigEndian.AppendUint16(nil, id)
	if c.config.Version == V5 {
		body = append(body, 0)
	}
	const (
		qos1      = 1
		newOnly   = 0x10 // retained messages come for a new subscription alone
		keepFlags = 0x08 // retain as published
	)
	for _, f := range filters {
		options := byte(qos1)
		if c.config.Version == V5 {
			options |= newOnly | keepFlags
		}
		body = append(appendText(body, f), options)
	}
	c.out = appendPacket(c.out, typeSubscribe, subscribeFlags, body)
	c.mu.Unlock()
	if err := c.Flush(); err != nil {
		return err
	}
	codes, err := wait(ctx, c, answer)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	for i, code := range codes {
		if code >= CodeUnspecified && i < len(filters) {
			return &RefusedError{Doing: fmt.Sprintf("subscribe to %q", filters[i]), Code: code}
		}
	}
	if len(codes) != len(filters) {
		return errMalformed
	}
	return nil
}

// Ping returns when the broker has read everything that was written before.
func (c *Conn) Ping(ctx context.Context) error {
	answer := make(chan struct{}, 1)
	c.mu.Lock()
	c.pongs = append(c.pongs, answer)
	c.out = appendPacket(c.out, typePingreq, 0, nil)
	c.mu.Unlock()
	if err := c.Flush(); err != nil {
		return err
	}
	_, err := wait(ctx, c, answer)
	return err
}

// ping keeps the connection alive.
func (c *Conn) ping() {
	if c.keepAlive <= 0 {
		return
	}
	ticker := time.NewTicker(c.keepAlive / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			_ = c.Ping(context.Background()) // its error ends the connection
		case <-c.ended:
			return
		}
	}
}

// read reads packets until the connection ends.
func (c *Conn) read() {
	for {
		p, err := readPacket(c.in)
		if err == nil {
			err = c.take(p)
		}
		if err != nil {
			c.fail(fmt.Errorf("the connection to the broker has ended: %w", err))
			return
		}
	}
}

// take handles a packet.
func (c *Conn) take(p packet) error {
	r := reader{left: p.body}
	switch p.kind {
	case typePublish:
		m, err := parseMessage(p, c.config.Version)
		if err == nil && c.config.OnMessage != nil {
			c.config.OnMessage(m)
		}
		return err
	case typePuback:
		id := r.uint16()
		var refusal error
		if len(r.left) > 0 {
			if code := r.byte(); code >= CodeUnspecified {
				e := &RefusedError{Doing: "publish", Code: code}
				if len(r.left) > 0 {
					r.properties(&Properties{}, func(_ byte, _ uint32, text string) { e.Reason = text })
				}
				refusal = e
			}
		}
		if r.err == nil && c.config.OnAck != nil {
			c.config.OnAck(id, refusal)
		}
	case typeSuback:
		id := r.uint16()
		if c.config.Version == V5 {
			r.properties(&Properties{}, ignored)
		}
		c.mu.Lock()
		answer := c.subs[id]
		delete(c.subs, id)
		c.mu.Unlock()
		if answer != nil && r.err == nil {
			answer <- r.left
		}
	case typePingresp:
		c.mu.Lock()
		var answer chan struct{}
		if len(c.pongs) > 0 {
			answer = c.pongs[0]
			c.pongs = c.pongs[1:]
		}
		c.mu.Unlock()
		if answer != nil {
			answer <- struct{}{}
		}
	case typeDisconnect:
		e := &RefusedError{Doing: "stay connected", Code: CodeUnspecified}
		if len(r.left) > 0 {
			e.Code = r.byte()
		}
		return e
	default:
		return fmt.Errorf("%w of type %d", errMalformed, p.kind)
	}
	return r.err
}
