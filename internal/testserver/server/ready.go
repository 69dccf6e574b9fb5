//go:build unix

package server

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"time"
)

// Ready tells whether a program serves, by looking at its output since it was started, or by asking it.
type Ready func(ctx context.Context, output []byte) bool

// Prints is ready when the program has printed a text.
func Prints(text string) Ready {
	return func(_ context.Context, output []byte) bool { return bytes.Contains(output, []byte(text)) }
}

// Listens is ready when a port of 127.0.0.1 accepts connections.
func Listens(port int) Ready {
	return func(ctx context.Context, _ []byte) bool {
		dialer := net.Dialer{Timeout: time.Second}
		connection, err := dialer.DialContext(ctx, "tcp", Address(port))
		if err != nil {
			return false
		}
		return connection.Close() == nil
	}
}

// Answers is ready when a GET of the URL is answered with status 200.
func Answers(url string) Ready {
	return func(ctx context.Context, _ []byte) bool {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	}
}
