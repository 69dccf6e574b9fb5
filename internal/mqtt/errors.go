package mqtt

import "fmt"

// RefusedError says that the broker has refused something.
type RefusedError struct {
	// Doing is "connect", "publish", "subscribe to" with a filter, or "stay connected".
	Doing string
	// Code is a reason code of MQTT 5 (section 2.4).
	Code   byte
	Reason string
}

// Codes of refusals.
const (
	CodeUnspecified   = 0x80
	CodeBadLogin      = 0x86
	CodeNotAuthorized = 0x87
	codeUnavailable   = 0x88
	codeBusy          = 0x89
	codeBanned        = 0x8a
	codeShuttingDown  = 0x8b
	codeKeepAlive     = 0x8d
	codeTakenOver     = 0x8e
	codeBadTopic      = 0x90
	codeTooLarge      = 0x95
	codeTooFast       = 0x96
	codeQuota         = 0x97
	codeBadPayload    = 0x99
	codeMoved         = 0x9d
	codeConnections   = 0x9f
)

// oldCodes are the return codes of MQTT 3.1.1 (section 3.2.2.3) as reason codes.
var oldCodes = map[byte]byte{1: 0x84, 2: 0x85, 3: codeUnavailable, 4: CodeBadLogin, 5: CodeNotAuthorized}

var codeTexts = map[byte]string{
	CodeUnspecified: "unspecified error", 0x81: "malformed packet", 0x82: "protocol error", 0x83: "implementation specific error",
	0x84: "unsupported protocol version", 0x85: "client identifier not valid", CodeBadLogin: "bad user name or password",
	CodeNotAuthorized: "not authorized", codeUnavailable: "server unavailable", codeBusy: "server busy", codeBanned: "banned",
	codeShuttingDown: "server shutting down", codeKeepAlive: "keep alive timeout", codeTakenOver: "another client has the same client identifier",
	0x8f: "topic filter invalid", codeBadTopic: "topic name invalid", 0x93: "receive maximum exceeded", codeTooLarge: "packet too large",
	codeTooFast: "message rate too high", codeQuota: "quota exceeded", 0x98: "administrative action", codeBadPayload: "payload format invalid",
	0x9a: "retain not supported", 0x9b: "QoS not supported", 0x9c: "use another server", codeMoved: "server moved",
	0x9e: "shared subscriptions not supported", codeConnections: "connection rate exceeded", 0xa2: "wildcard subscriptions not supported",
}

// Error names the refusal.
func (e *RefusedError) Error() string {
	text := codeTexts[e.Code]
	if text == "" {
		text = "reason code"
	}
	if e.Reason != "" {
		return fmt.Sprintf("the broker refuses to %s: %s (0x%02x): %s", e.Doing, text, e.Code, e.Reason)
	}
	return fmt.Sprintf("the broker refuses to %s: %s (0x%02x)", e.Doing, text, e.Code)
}

// Passing reports whether the refusal may be gone after some time.
func (e *RefusedError) Passing() bool {
	switch e.Code {
	case codeUnavailable, codeBusy, codeShuttingDown, codeKeepAlive, codeTakenOver, codeTooFast, codeQuota, codeConnections, 0x98, 0x93:
		return true
	}
	return false
}

// OfMessage reports whether the refusal is one of a message: another message may be taken.
func (e *RefusedError) OfMessage() bool {
	return e.Code == codeBadTopic || e.Code == codeTooLarge || e.Code == codeBadPayload || e.Code == 0x83
}
