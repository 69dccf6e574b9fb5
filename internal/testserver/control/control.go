// Package control lets tests disturb the servers that internal/testserver started for them.
package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
)

// Variable names the environment variable with the socket of the tool.
const Variable = "WEIR_TEST_CONTROL"

// Available tells whether the tool started this process.
func Available() bool { return os.Getenv(Variable) != "" }

// Do has the tool do something with a server, such as "kill" or "restart" with "kafka", and waits until it is done.
func Do(ctx context.Context, server, verb string) error {
	socket := os.Getenv(Variable)
	if socket == "" {
		return fmt.Errorf("%s %s: %s is not set: run the test with go run ./internal/testserver %s -- go test", verb, server, Variable, server)
	}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://testserver/"+server+"/"+verb, nil)
	if err != nil {
		return fmt.Errorf("%s %s: %w", verb, server, err)
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("%s %s: %w", verb, server, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	switch {
	case response.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%s %s: the server does not run, or does not know how to do that", verb, server)
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("%s %s: %w", verb, server, errors.Join(errors.New(strings.TrimSpace(string(text))), err))
	case err != nil:
		return fmt.Errorf("%s %s: %w", verb, server, err)
	}
	return nil
}
