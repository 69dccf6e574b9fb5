package web

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir/secret"
)

const (
	// shownAnswer is the length of the part of an answer that an error shows.
	shownAnswer = 300
	// longestWait bounds the time that a service can ask for.
	longestWait = time.Hour
)

// Shown returns the beginning of an answer, in one line.
func Shown(body []byte, hidden []secret.String) string {
	text := Redact(string(body), hidden) // before it is cut: a cut secret would be found no more
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " ")
	if len(text) > shownAnswer {
		text = strings.ToValidUTF8(text[:shownAnswer], "") + "..."
	}
	return text
}

// RetryAfter returns the time that an answer asks for, or 0 if it names none.
func RetryAfter(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		if seconds > int64(longestWait/time.Second) {
			return longestWait
		}
		return max(0, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(longestWait, max(0, at.Sub(now)))
	}
	return 0
}
