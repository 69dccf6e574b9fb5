// Package mqtt is a client of MQTT 3.1.1 and 5 for connectors: it leaves sessions, acknowledgements and reconnections to its caller, which has to
// acknowledge a message when a checkpoint has committed, and not when it has come. References are to the OASIS standards of both versions.
package mqtt

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Version is the protocol level of a CONNECT packet.
type Version byte

// Versions of the protocol.
const (
	V311 Version = 4
	V5   Version = 5
)

// Types of packets.
const (
	typeConnect     = 1
	typeConnack     = 2
	typePublish     = 3
	typePuback      = 4
	typeSubscribe   = 8
	typeSuback      = 9
	typePingreq     = 12
	typePingresp    = 13
	typeDisconnect  = 14
	maxPacket       = 256 << 20
	maxText         = 1<<16 - 1
	subscribeFlags  = 0b0010
	remainingDigits = 4
)

// Identifiers of properties of MQTT 5.
const (
	propertyPayloadFormat   = 0x01
	propertyMessageExpiry   = 0x02
	propertyContentType     = 0x03
	propertyResponseTopic   = 0x08
	propertyCorrelation     = 0x09
	propertySessionExpiry   = 0x11
	propertyServerKeepAlive = 0x13
	propertyReason          = 0x1f
	propertyReceiveMaximum  = 0x21
	propertyMaximumQoS      = 0x24
	propertyRetainAvailable = 0x25
	propertyUser            = 0x26
	propertyMaximumPacket   = 0x27
	propertySharedAvailable = 0x2a
)

// Property is a user property of MQTT 5.
type Property struct{ Name, Value string }

// Properties are those of a message of MQTT 5. Zero values are left out.
type Properties struct {
	ContentType, ResponseTopic string
	CorrelationData            []byte
	// MessageExpiry is the number of seconds that the broker keeps the message for.
	MessageExpiry uint32
	// Text says that the payload is UTF-8.
	Text bool
	User []Property
}

// Message is a PUBLISH packet.
type Message struct {
	Topic             string
	Payload           []byte
	QoS               byte
	Retain, Duplicate bool
	ID                uint16 // for QoS 1
	Properties        Properties
}

// errMalformed says that a packet does not follow the standard.
var errMalformed = errors.New("malformed MQTT packet")

// packet is a packet that was read.
type packet struct {
	kind, flags byte
	body        []byte
}

// readPacket reads a packet with a body of its own.
func readPacket(in *bufio.Reader) (p packet, err error) {
	first, err := in.ReadByte()
	if err != nil {
		return p, err
	}
	size, shift := 0, 0
	for n := 0; ; n++ {
		b, err := in.ReadByte()
		if err != nil {
			return p, unexpected(err)
		}
		size |= int(b&0x7f) << shift
		if b&0x80 == 0 {
			break
		}
		if shift += 7; n == remainingDigits-1 {
			return p, errMalformed
		}
	}
	p = packet{kind: first >> 4, flags: first & 0x0f}
	const step = 1 << 20 // the size is a claim of the peer: memory grows with the bytes that come
	for len(p.body) < size {
		n := min(step, size-len(p.body))
		p.body = append(p.body, make([]byte, n)...)
		if _, err := io.ReadFull(in, p.body[len(p.body)-n:]); err != nil {
			return p, unexpected(err)
		}
	}
	return p, nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// appendPacket appends a packet with a body.
func appendPacket(dst []byte, kind, flags byte, body []byte) []byte {
	dst = append(dst, kind<<4|flags)
	return append(appendSize(dst, len(body)), body...)
}

// appendSize appends a number of variable length.
func appendSize(dst []byte, n int) []byte {
	for n >= 0x80 {
		dst = append(dst, byte(n)|0x80)
		n >>= 7
	}
	return append(dst, byte(n))
}

func appendText(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(s))), s...)
}

// reader takes fields off a body. After the first error it returns zero values.
type reader struct {
	left []byte
	err  error
}

func (r *reader) take(n int) []byte {
	if r.err != nil || n > len(r.left) {
		r.err = errMalformed
		return nil
	}
	b := r.left[:n]
	r.left = r.left[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) bytes() []byte { return r.take(int(r.uint16())) }

func (r *reader) text() string {
	b := r.bytes()
	if !utf8.Valid(b) {
		r.err = errMalformed
	}
	return string(b)
}

func (r *reader) size() int {
	n := 0
	for shift := 0; shift < 7*remainingDigits; shift += 7 {
		b := r.byte()
		if n |= int(b&0x7f) << shift; b&0x80 == 0 {
			return n
		}
	}
	r.err = errMalformed
	return 0
}

// properties reads the properties of a packet. others get those that are no properties of messages.
func (r *reader) properties(p *Properties, others func(id byte, n uint32, text string)) {
	in := reader{left: r.take(r.size()), err: r.err}
	for len(in.left) > 0 && in.err == nil {
		id := in.byte()
		switch id {
		case propertyPayloadFormat:
			p.Text = in.byte() == 1
		case propertyMessageExpiry:
			p.MessageExpiry = in.uint32()
		case propertyContentType:
			p.ContentType = in.text()
		case propertyResponseTopic:
			p.ResponseTopic = in.text()
		case propertyCorrelation:
			p.CorrelationData = in.bytes()
		case propertyUser:
			p.User = append(p.User, Property{in.text(), in.text()})
		case propertySessionExpiry, propertyMaximumPacket:
			others(id, in.uint32(), "")
		case propertyServerKeepAlive, propertyReceiveMaximum, 0x22, 0x23: // and topic aliases
			others(id, uint32(in.uint16()), "")
		case propertyMaximumQoS, propertyRetainAvailable, propertySharedAvailable, 0x17, 0x19, 0x28, 0x29:
			others(id, uint32(in.byte()), "")
		case 0x12, 0x15, 0x1a, 0x1c, propertyReason:
			others(id, 0, in.text())
		case 0x16: // authentication data
			in.bytes()
		case 0x0b: // subscription identifier
			in.size()
		default:
			in.err = errMalformed
		}
	}
	r.err = in.err
}

func ignored(byte, uint32, string) {}

// appendProperties appends the properties of a message.
func (p *Properties) appendTo(dst []byte) []byte {
	var all []byte
	if p.Text {
		all = append(all, propertyPayloadFormat, 1)
	}
	if p.MessageExpiry > 0 {
		all = binary.BigEndian.AppendUint32(append(all, propertyMessageExpiry), p.MessageExpiry)
	}
	if p.ContentType != "" {
		all = appendText(append(all, propertyContentType), p.ContentType)
	}
	if p.ResponseTopic != "" {
		all = appendText(append(all, propertyResponseTopic), p.ResponseTopic)
	}
	if len(p.CorrelationData) > 0 {
		all = appendText(append(all, propertyCorrelation), string(p.CorrelationData))
	}
	for _, u := range p.User {
		all = appendText(appendText(append(all, propertyUser), u.Name), u.Value)
	}
	return append(appendSize(dst, len(all)), all...)
}

// Check returns an error if the message cannot be sent.
func (m *Message) Check(v Version) error {
	texts := []string{m.Topic, m.Properties.ContentType, m.Properties.ResponseTopic, string(m.Properties.CorrelationData)}
	if err := CheckTopic(m.Topic); err != nil {
		return err
	}
	for _, u := range m.Properties.User {
		texts = append(texts, u.Name, u.Value)
	}
	for i, text := range texts {
		if len(text) > maxText || i != 3 && !utf8.ValidString(text) {
			return fmt.Errorf("a text of the message to the topic %.100q is longer than %d bytes, or no UTF-8", m.Topic, maxText)
		}
	}
	if size := len(m.Payload) + len(m.Topic); size > maxPacket-maxText {
		return fmt.Errorf("the message to the topic %q has %d bytes, more than MQTT allows", m.Topic, size)
	}
	if v == V311 && (m.Properties.ContentType != "" || m.Properties.ResponseTopic != "" || m.Properties.User != nil) {
		return errors.New("properties need MQTT 5")
	}
	return nil
}

// appendTo appends the message as a packet.
func (m *Message) appendTo(dst []byte, v Version) []byte {
	body := make([]byte, 0, len(m.Topic)+len(m.Payload)+16)
	body = appendText(body, m.Topic)
	flags := m.QoS << 1
	if m.Retain {
		flags |= 1
	}
	if m.Duplicate {
		flags |= 8
	}
	if m.QoS > 0 {
		body = binary.BigEndian.AppendUint16(body, m.ID)
	}
	if v == V5 {
		body = m.Properties.appendTo(body)
	}
	return appendPacket(dst, typePublish, flags, append(body, m.Payload...))
}

// parseMessage reads a PUBLISH packet. Its payload lies in the packet's memory.
func parseMessage(p packet, v Version) (m Message, err error) {
	r := reader{left: p.body}
	m = Message{QoS: p.flags >> 1 & 3, Retain: p.flags&1 != 0, Duplicate: p.flags&8 != 0, Topic: r.text()}
	if m.QoS > 0 {
		m.ID = r.uint16()
	}
	if v == V5 {
		r.properties(&m.Properties, ignored)
	}
	m.Payload = r.left
	if r.err == nil && (m.QoS > 1 || m.QoS == 1 && m.ID == 0) {
		r.err = errMalformed
	}
	return m, r.err
}
