// Reads an OpenAPI document into what the reference shows.

interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  oneOf?: Schema[];
  additionalProperties?: Schema | boolean;
}

interface Content {
  content?: Record<string, { schema: Schema }>;
}

interface OperationObject {
  operationId: string;
  summary: string;
  security?: unknown[];
  parameters?: { name: string; in: string; description?: string; required?: boolean }[];
  requestBody?: Content;
  responses: Record<string, Content & { description: string }>;
}

export interface Described {
  paths: Record<string, Record<string, OperationObject>>;
  components: { schemas: Record<string, Schema> };
}

export interface Operation {
  id: string;
  method: string;
  path: string;
  summary: string;
  isPublic: boolean;
  parameters: { name: string; in: string; description: string; isRequired: boolean }[];
  bodies: { type: string; shape: string }[];
  answers: { status: string; description: string; type: string; shape: string | null }[];
}

/** References are followed so far; deeper ones are named. */
const depthMax = 3;

export function operationsOf(document: Described): Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): Operation => {
      return {
        id: operation.operationId,
        method: method.toUpperCase(),
        path,
        summary: operation.summary,
        isPublic: operation.security?.length === 0,
        parameters: (operation.parameters ?? []).map(({ name, description = "", required = false, ...rest }) => {
          return { name, in: rest.in, description, isRequired: required };
        }),
        bodies: Object.entries(operation.requestBody?.content ?? {}).map(([type, { schema }]) => {
          return { type, shape: shapeOf(document, schema) };
        }),
        answers: Object.entries(operation.responses).map(([status, { description, content }]) => {
          const [type, body] = Object.entries(content ?? {})[0] ?? ["", null];
          // Problems are alike everywhere: their codes are in the description.
          const shape = body === null || type.includes("problem") ? null : shapeOf(document, body.schema);
          return { status, description, type, shape };
        }),
      };
    }),
  );
}

/** A schema as one would write an example of it. */
export function shapeOf(document: Described, schema: Schema, indent = "", depth = 0): string {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split("/").at(-1) ?? "";
    const target = document.components.schemas[name];
    return target === undefined || depth >= depthMax ? name : shapeOf(document, target, indent, depth + 1);
  }
  if (schema.oneOf) return schema.oneOf.map((one) => shapeOf(document, one, indent, depth)).join(` | `);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.items) return `[${shapeOf(document, schema.items, indent, depth)}]`;
  const properties = Object.entries(schema.properties ?? {});
  if (properties.length > 0) {
    const inner = `${indent}  `;
    const lines = properties.map(([name, property]) => {
      const mark = schema.required?.includes(name) === false ? "?" : "";
      return `${inner}${name}${mark}: ${shapeOf(document, property, inner, depth)}`;
    });
    return `{\n${lines.join("\n")}\n${indent}}`;
  }
  return [schema.type ?? "any"].flat().join(" | ");
}
