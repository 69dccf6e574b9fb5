// Command release gives all modules of the repository one version, checks that programs elsewhere can require them, and tags
// them.
//
//	go run . v0.1.0         print the steps of the release of v0.1.0
//	go run . -do v0.1.0     perform them; pushing the commit and the tags remains with the caller
//	go run . -check         only build programs outside the repository against a module proxy made from the last commit
//
// The go.mod file of each nested module requires the other modules at their released version, and replaces them by the folders
// of the repository. Go ignores the replacements of a module that others require.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/semver"
)

func main() {
	do := flag.Bool("do", false, "perform the steps instead of printing them")
	check := flag.Bool("check", false, "only build programs outside the repository against the versions that go.mod files name")
	root := flag.String("root", "../..", "the root of the repository")
	flag.Parse()
	if err := run(*root, *do, *check, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(root string, do, check bool, args []string) error {
	root, err := filepath.Abs(root) // package zip takes no other
	if err != nil {
		return err
	}
	modules, err := findModules(root)
	if err != nil {
		return err
	}
	if check {
		if len(args) > 0 || do {
			return errors.New("-check takes no version and no -do")
		}
		version, err := requiredVersion(modules)
		if err != nil {
			return err
		}
		return checkConsumers(root, modules, version, os.Stdout)
	}
	if len(args) != 1 || !semver.IsValid(args[0]) || semver.Canonical(args[0]) != args[0] {
		return errors.New("name one version, such as v0.1.0")
	}
	return release(root, modules, args[0], do, os.Stdout)
}
