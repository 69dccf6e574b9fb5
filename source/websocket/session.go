package websocket

import (
	"context"
	"errors"
	"fmt"

	"github.com/coder/websocket"
)

// Session is a connection that Options.Subscribe prepares. It is valid until Subscribe returns.
type Session struct {
	connection *websocket.Conn
	channel    string
	position   []byte
}

// Channel returns the one of Options.Channels that is read, or an empty text without Channels.
func (s *Session) Channel() string { return s.channel }

// Position returns the position to go on behind: the one that Decode has set last, of messages that are committed or on their way to the topic. It is nil
// at first, and always if Decode sets none.
func (s *Session) Position() []byte { return s.position }

// Send sends a message. It fails if the connection is lost or ctx ends.
func (s *Session) Send(ctx context.Context, m Message) error { return send(ctx, s.connection, m) }

// Receive waits for the next message of the server. Decode does not see it.
func (s *Session) Receive(ctx context.Context) (Message, error) {
	kind, data, err := s.connection.Read(ctx)
	if err != nil {
		return Message{}, fmt.Errorf("wait for a message: %w", err)
	}
	return Message{Data: data, Binary: kind == websocket.MessageBinary, Channel: s.channel}, nil
}

// SendTexts returns a function for Options.Subscribe that sends texts, in order, and waits for nothing.
func SendTexts(texts ...string) func(context.Context, *Session) error {
	return func(ctx context.Context, s *Session) error {
		for _, text := range texts {
			if err := s.Send(ctx, Text(text)); err != nil {
				return err
			}
		}
		return nil
	}
}

func send(ctx context.Context, connection *websocket.Conn, m Message) error {
	kind := websocket.MessageText
	if m.Binary {
		kind = websocket.MessageBinary
	}
	if err := connection.Write(ctx, kind, m.Data); err != nil {
		return fmt.Errorf("send a message: %w", err)
	}
	return nil
}

var errNoSubprotocol = errors.New("the server speaks none of Options.Subprotocols")
