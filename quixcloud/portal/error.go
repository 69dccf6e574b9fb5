package portal

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/weirstreams/weir"
)

// Errors of requests, for errors.Is. A token that is refused or lacks a right (status 401 or 403) is a weir.ErrUnauthorized.
var (
	// ErrUnavailable says that the portal could not be reached, or did not answer in time or as a whole.
	ErrUnavailable = errors.New("the portal cannot be reached")
	// ErrNotFound says that the portal knows no such workspace or topic (status 404).
	ErrNotFound = errors.New("not found")
	// ErrExists says that the workspace has a topic of this or a similar name (status 409, or 400 with a message that says so).
	ErrExists = errors.New("exists already")
	// ErrWorkspace says that no workspace fits, or several do.
	ErrWorkspace = errors.New("workspace")
	// ErrTopic says that a topic of the platform cannot be used: it is in the state of an error, not ready in time, or other than was asked for.
	ErrTopic = errors.New("topic")
	// ErrAnswer says that an answer of the portal is not as its interface describes it.
	ErrAnswer = errors.New("the answer of the portal is not understood")
)

// Error is an answer of the portal with a status that is no success.
type Error struct {
	// Request is the method and the address.
	Request string
	// Status is the status of HTTP.
	Status int
	// Message is the reason that the portal gives, or the start of its answer.
	Message string
	// CorrelationID names the request in the logs of the platform, if the portal has told it. Its support asks for it.
	CorrelationID string
}

// Error names request, status, message and correlation id.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s: status %d %s", e.Request, e.Status, http.StatusText(e.Status))
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.CorrelationID != "" {
		text += " (correlation id " + e.CorrelationID + ")"
	}
	switch e.Status {
	case http.StatusUnauthorized:
		text += ": the token is wrong or has expired"
	case http.StatusForbidden:
		text += ": the token lacks the right"
	}
	return text
}

// Is reports whether target is the error of this package or of weir that stands for the status.
func (e *Error) Is(target error) bool {
	switch target {
	case weir.ErrUnauthorized:
		return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden
	case ErrNotFound:
		return e.Status == http.StatusNotFound
	case ErrUnavailable:
		return e.Status == http.StatusTooManyRequests || e.Status >= 500
	case ErrExists:
		return e.Status == http.StatusConflict || e.Status == http.StatusBadRequest && saysSimilar(e.Message)
	}
	return false
}

// saysSimilar recognizes the message about a topic that exists.
func saysSimilar(message string) bool {
	message = strings.ToLower(message)
	return strings.Contains(message, "already exists") && strings.Contains(message, "topic")
}

// maxMessage is the longest message of an error, in bytes.
const maxMessage = 1000

// newError reads an answer with a status that is no success. hide takes the token out of a text.
func newError(request string, response *http.Response, body []byte, hide func(string) string) *Error {
	e := &Error{Request: request, Status: response.StatusCode}
	for _, name := range []string{"X-Correlation-Id", "Correlation-Id", "X-Request-Id"} {
		e.CorrelationID = cmp.Or(e.CorrelationID, response.Header.Get(name))
	}
	var members map[string]any
	if json.Unmarshal(body, &members) == nil {
		text := func(names ...string) (found string) {
			for _, name := range names {
				value, _ := members[name].(string)
				found = cmp.Or(found, value)
			}
			return found
		}
		e.Message = text("message", "detail", "error", "title")
		e.CorrelationID = cmp.Or(text("correlationId", "traceId"), e.CorrelationID)
	}
	if e.Message == "" {
		e.Message = strings.TrimSpace(string(body))
	}
	if location := response.Header.Get("Location"); location != "" && e.Status < 400 {
		e.Message = "a redirect, which is not followed: set URL to the address of the API"
	}
	e.Message, e.CorrelationID = shorten(hide(e.Message)), shorten(hide(e.CorrelationID))
	return e
}

// shorten returns the start of a text, as valid UTF-8 in one line.
func shorten(text string) string {
	if len(text) > maxMessage {
		text = text[:maxMessage] + "..."
	}
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "�")
	}
	return strings.Join(strings.Fields(text), " ")
}
