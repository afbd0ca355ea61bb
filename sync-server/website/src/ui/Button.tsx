// Buttons, and links that look like them.

import type { ComponentProps } from "react";
import { Link } from "react-router";

import { Icon, type IconName } from "./Icon.tsx";
import styles from "./ui.module.css";

interface Look {
  look?: "plain" | "primary" | "quiet" | "danger";
  size?: "normal" | "small";
  icon?: IconName;
}

function className({ look = "plain", size = "normal" }: Look, isIconOnly: boolean): string {
  const classes = [styles.button, styles[look], size === "small" && styles.small, isIconOnly && styles.icon];
  return classes.filter(Boolean).join(" ");
}

export function Button({ look, size, icon, children, ...rest }: Look & ComponentProps<"button">) {
  return (
    <button type="button" className={className({ ...(look && { look }), ...(size && { size }) }, !children)} {...rest}>
      {icon && <Icon name={icon} size={16} />}
      {children}
    </button>
  );
}

export function ButtonLink({ look, size, icon, children, ...rest }: Look & ComponentProps<typeof Link>) {
  return (
    <Link className={className({ ...(look && { look }), ...(size && { size }) }, false)} {...rest}>
      {icon && <Icon name={icon} size={16} />}
      {children}
    </Link>
  );
}
