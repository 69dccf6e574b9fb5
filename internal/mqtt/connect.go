package mqtt

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"
)

// Config is a connection to a broker.
type Config struct {
	// Address is host:port. TLS is nil for a connection without it.
	Address string
	TLS     *tls.Config
	Version Version

	ClientID       string
	Login          func() (user, password string)
	Clean          bool // forget the session of the client before
	SessionExpiry  uint32
	ReceiveMaximum uint16 // 0 means that of the standard, 65,535
	KeepAlive      time.Duration
	Will           *Message
	// Timeout bounds the time to connect, and that of each write.
	Timeout time.Duration
	// OnMessage gets messages, and OnAck the acknowledgements of those that were published. The connection's own goroutine calls them.
	OnMessage func(Message)
	OnAck     func(id uint16, err error)
}

// Limits are those of the broker.
type Limits struct {
	// SessionPresent says that the broker has kept the session.
	SessionPresent bool
	ReceiveMaximum int
	// MaximumPacket is 0 if there is no limit.
	MaximumPacket int
	MaximumQoS    byte
	NoRetain      bool
	NoShared      bool
}

// Dial connects to a broker and returns when it has accepted the client.
func Dial(ctx context.Context, config Config) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, config.Timeout)
	defer cancel()
	socket, err := (&net.Dialer{}).DialContext(ctx, "tcp", config.Address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = socket.SetDeadline(time.Unix(1, 0)) })
	c := &Conn{config: config, socket: socket, ended: make(chan struct{}), closing: make(chan struct{})}
	c.keepAlive = config.KeepAlive
	err = c.open(ctx)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = errors.Join(context.Cause(ctx), err)
		}
		return nil, errors.Join(err, socket.Close())
	}
	c.goroutines.Go(c.read)
	c.goroutines.Go(c.ping)
	return c, nil
}

func (c *Conn) open(ctx context.Context) error {
	deadline, _ := ctx.Deadline()
	if err := c.socket.SetDeadline(deadline); err != nil {
		return err
	}
	if c.config.TLS != nil {
		secure := tls.Client(c.socket, c.config.TLS)
		if err := secure.HandshakeContext(ctx); err != nil {
			return err
		}
		c.socket = secure
	}
	if _, err := c.socket.Write(c.config.connectPacket()); err != nil {
		return err
	}
	const buffered = 64 << 10
	c.in = bufio.NewReaderSize(c.socket, buffered)
	p, err := readPacket(c.in)
	if err != nil {
		return fmt.Errorf("the broker has not accepted the connection: %w", err)
	}
	if err := c.accept(p); err != nil {
		return err
	}
	return c.socket.SetDeadline(time.Time{})
}

func (c *Config) connectPacket() []byte {
	user, password := "", ""
	if c.Login != nil {
		user, password = c.Login()
	}
	flags := byte(0)
	if c.Clean {
		flags |= 0x02
	}
	if c.Will != nil {
		flags |= 0x04 | c.Will.QoS<<3
		if c.Will.Retain {
			flags |= 0x20
		}
	}
	if password != "" {
		flags |= 0x40
	}
	if user != "" {
		flags |= 0x80
	}
	body := append(appendText(nil, "MQTT"), byte(c.Version), flags)
	body = binary.BigEndian.AppendUint16(body, uint16(c.KeepAlive/time.Second))
	if c.Version == V5 {
		var all []byte
		if c.SessionExpiry > 0 {
			all = binary.BigEndian.AppendUint32(append(all, propertySessionExpiry), c.SessionExpiry)
		}
		if c.ReceiveMaximum > 0 {
			all = binary.BigEndian.AppendUint16(append(all, propertyReceiveMaximum), c.ReceiveMaximum)
		}
		body = append(appendSize(body, len(all)), all...)
	}
	body = appendText(body, c.ClientID)
	if c.Will != nil {
		if c.Version == V5 {
			body = c.Will.Properties.appendTo(body)
		}
		body = appendText(body, c.Will.Topic)
		body = append(binary.BigEndian.AppendUint16(body, uint16(len(c.Will.Payload))), c.Will.Payload...)
	}
	if user != "" {
		body = appendText(body, user)
	}
	if password != "" {
		body = appendText(body, password)
	}
	return appendPacket(nil, typeConnect, 0, body)
}

// accept looks at the answer to CONNECT.
func (c *Conn) accept(p packet) error {
	if p.kind != typeConnack {
		return fmt.Errorf("%w: the first packet of the broker is of type %d", errMalformed, p.kind)
	}
	const all = 1<<16 - 1
	c.Limits = Limits{ReceiveMaximum: all, MaximumQoS: 2}
	r := reader{left: p.body}
	c.Limits.SessionPresent = r.byte()&1 != 0
	code, reason := r.byte(), ""
	if c.config.Version == V5 && r.err == nil && len(r.left) > 0 {
		r.properties(&Properties{}, func(id byte, n uint32, text string) {
			switch id {
			case propertyReceiveMaximum:
				c.Limits.ReceiveMaximum = int(n)
			case propertyMaximumPacket:
				c.Limits.MaximumPacket = int(n)
			case propertyMaximumQoS:
				c.Limits.MaximumQoS = byte(n)
			case propertyRetainAvailable:
				c.Limits.NoRetain = n == 0
			case propertySharedAvailable:
				c.Limits.NoShared = n == 0
			case propertyServerKeepAlive:
				c.keepAlive = time.Duration(n) * time.Second
			case propertyReason:
				reason = text
			}
		})
	}
	switch {
	case r.err != nil:
		return r.err
	case code == 0:
		return nil
	case c.config.Version == V311:
		return &RefusedError{Doing: "connect", Code: oldCodes[code]}
	}
	return &RefusedError{Doing: "connect", Code: code, Reason: reason}
}
