//go:build unix

package servers

import (
	"context"
	"path/filepath"
	"strconv"

	"github.com/weirstreams/weir/internal/testserver/fetch"
	"github.com/weirstreams/weir/internal/testserver/server"
)

// Azurite is Microsoft's emulator of Azure Blob Storage, with everything in memory. It has no container: tests make their own.
var Azurite = server.Server{
	Name:      "azurite",
	About:     "Azurite 3.37.0, an emulator of Azure Blob Storage (Node 20, npm)",
	Variables: []string{"WEIR_TEST_AZURE: its address with the account devstoreaccount1, which has the key of all emulators"},
	Sources:   []fetch.Source{azuriteProgram},
	Start: func(ctx context.Context, i *server.Instance) error {
		home, err := i.Fetch(ctx, azuriteProgram)
		if err != nil {
			return err
		}
		port, err := i.Port(ctx)
		if err != nil {
			return err
		}
		_, err = i.Start(ctx, server.Command{Name: "azurite", Args: []string{
			"node", filepath.Join(home, "node_modules", "azurite", "dist", "src", "blob", "main.js"), "--blobHost", "127.0.0.1", "--blobPort", strconv.Itoa(port),
			"--skipApiVersionCheck", "--inMemoryPersistence", "--disableTelemetry", "--silent",
		}}, server.Listens(port))
		if err != nil {
			return err
		}
		i.Export("WEIR_TEST_AZURE", "http://"+server.Address(port)+"/devstoreaccount1")
		i.Say("Azurite ready at %s", server.Address(port))
		return nil
	},
}
