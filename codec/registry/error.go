package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/weirstreams/weir/codec"
)

// Error says that the registry refused something or did not answer. It unwraps to Err; [StatusCode] returns its status.
type Error struct {
	// Op is the operation, such as "register schema".
	Op string
	// Subject or ID is the object of the operation; the other is empty.
	Subject, ID string
	// Err is the cause.
	Err error
}

// Error names the subject or id, the status, the registry's own error code, and its message.
func (e *Error) Error() string {
	about := fmt.Sprintf("subject %q", e.Subject)
	if e.ID != "" {
		about = "id " + e.ID
	}
	status := ""
	if answer, ok := errors.AsType[*sr.ResponseError](e.Err); ok {
		status = fmt.Sprintf(" (status %d, code %d)", answer.StatusCode, answer.ErrorCode)
	}
	return fmt.Sprintf("schema registry: %s of %s%s: %v", e.Op, about, status, e.Err)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// StatusCode returns the HTTP status of a registry's answer in the chain of err, and the registry's own error code. They
// are 0 if there was no answer.
func StatusCode(err error) (status, code int) {
	if answer, ok := errors.AsType[*sr.ResponseError](err); ok {
		return answer.StatusCode, answer.ErrorCode
	}
	return 0, 0
}

// incompatible is an answer together with the incompatible parts.
type incompatible struct {
	answer   error
	messages []string
}

func (e *incompatible) Error() string {
	return e.answer.Error() + ": " + strings.Join(e.messages, "; ")
}

func (e *incompatible) Unwrap() error { return e.answer }

// explain asks for the incompatible parts of a refused schema, unless the answer says so already: newer
// registries list the findings in braces.
func (c *Client) explain(ctx context.Context, subject string, s sr.Schema, err error) error {
	status, _ := StatusCode(err)
	if status != http.StatusConflict || strings.Contains(err.Error(), "{") {
		return err
	}
	result, askErr := c.http.CheckCompatibility(sr.WithParams(ctx, sr.Verbose), subject, -1, s)
	if askErr != nil || len(result.Messages) == 0 {
		return err
	}
	return &incompatible{err, result.Messages}
}

// unavailable marks an error that is not the record's fault, without a word more.
type unavailable struct{ error }

func (u unavailable) Unwrap() error { return u.error }

// Is tells a refusal from an outage, after which the same request may succeed.
func (u unavailable) Is(target error) bool {
	return target == codec.ErrUnavailable || target == codec.ErrOutage && isOutage(u.error)
}

// isOutage says that a request has failed that was worth a repetition.
func isOutage(err error) bool {
	asked, ok := errors.AsType[*Error](err)
	return ok && worthRetrying(asked.Err)
}
