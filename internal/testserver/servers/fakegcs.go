//go:build unix

package servers

import (
	"context"
	"path/filepath"
	"strconv"

	"github.com/weirstreams/weir/internal/testserver/fetch"
	"github.com/weirstreams/weir/internal/testserver/server"
)

// FakeGCS is an emulator of Google Cloud Storage, with everything in memory. It has no bucket: tests make their own. It asks for no credentials.
var FakeGCS = server.Server{
	Name:      "fakegcs",
	About:     "fake-gcs-server " + fakeGCSVersion + ", an emulator of Google Cloud Storage (Go)",
	Variables: []string{"WEIR_TEST_GCS: its address"},
	Sources:   []fetch.Source{fakeGCSProgram},
	Start: func(ctx context.Context, i *server.Instance) error {
		home, err := i.Fetch(ctx, fakeGCSProgram)
		if err != nil {
			return err
		}
		port, err := i.Port(ctx)
		if err != nil {
			return err
		}
		address := "http://" + server.Address(port)
		_, err = i.Start(ctx, server.Command{Name: "fakegcs", Args: []string{
			filepath.Join(home, "fake-gcs-server"), "-backend", "memory", "-scheme", "http", "-host", "127.0.0.1", "-port", strconv.Itoa(port),
			"-public-host", server.Address(port), "-external-url", address, "-log-level", "warn",
		}}, server.Answers(address+"/storage/v1/b?project=weir"))
		if err != nil {
			return err
		}
		i.Export("WEIR_TEST_GCS", address)
		i.Say("fake-gcs-server ready at %s", address)
		return nil
	},
}
