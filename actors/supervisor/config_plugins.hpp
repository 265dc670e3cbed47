/*
 * config_plugins — [proxy_plugins] of the configuration, as containerd's users have it.
 *
 * The table is the same in every version of containerd's file; only the line `version` above it differs.
 * What cannot be used (content stores, unknown types) stays in the list with the reason, so that
 * `gantry plugins ls` shows it; what is written wrong is an error with its line.
 */
#ifndef ACTORS_SUPERVISOR_CONFIG_PLUGINS_HPP
#define ACTORS_SUPERVISOR_CONFIG_PLUGINS_HPP

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "actors/base/toml.hpp"

extern "C" {
#include "actors/supervisor/config.h"
}

/* One [proxy_plugins.NAME]. */
struct plugin_entry {
    std::string type, address, platform, problem, origin;
    std::map<std::string, std::string> exports;
    std::vector<std::string> capabilities;
};

class plugin_list
{
  public:
    /* Where a node stands, "FILE:LINE"; and who hears warnings. */
    std::function<std::string(const toml::node &)> place;
    std::function<void(const std::string &)> warn;

    int take(const toml::node &node, const std::vector<std::string> &taken_names, error *err);
    const config_plugin *publish(); /* ends with a NULL name; lives as long as the list is unchanged */

    std::map<std::string, plugin_entry> entries;

  private:
    int take_one(const std::string &name, const toml::node &node, error *err);
    int take_key(plugin_entry &entry, const std::string &name, const std::string &key,
                 const toml::node &node, error *err);
    int judge(plugin_entry &entry, const std::string &name, const toml::node &node, error *err);

    std::vector<config_plugin> plain;
    std::vector<std::vector<config_pair>> pairs;
    std::vector<std::vector<const char *>> lists;
};

#endif
